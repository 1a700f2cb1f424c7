"""What a Batch job's event says of its task.

The order of all that can be said of a task is the order of `version`, a text: the job's creation (a later try is a new
job), its id, whether it has ended, how many attempts have, the status, and when it was seen. A text that is greater was
true later, whatever order the events come in.

Source: https://docs.aws.amazon.com/batch/latest/userguide/batch_job_events.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from event_message import EventError, Message, as_text

RANKS = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
ENDED = ("SUCCEEDED", "FAILED")
JOB_PREFIX = "job:"
# `<run>-<State>-<index>`, as the definitions name jobs; a state has no '-'.
NAME = re.compile(r"(?P<run>.+)-(?P<state>[A-Za-z0-9_]+)-(?P<index>[0-9]+)")
# A row has some 900 bytes after one attempt, and 460 more for each other one: a unit of writing is 1 KB.
LONGEST_REASON = 300


@dataclass(frozen=True)
class JobChange:
    """A job as its task's row shows it. `fields` are those of the row, None for what it does not have (any more).

    `job` is kept in the row under `job_name` for as long as the row is there; `containers` are the ARNs of the
    container instances that its attempts ran on.
    """

    message_id: str
    run_id: str
    state: str
    index: int
    version: str
    has_ended: bool
    fields: Mapping[str, Any]
    job_name: str
    job: Mapping[str, Any]
    containers: tuple[str, ...]

    @property
    def task(self) -> tuple[str, str, int]:
        return self.run_id, self.state, self.index


def parse_job(message: Message, queues: Mapping[str, str]) -> JobChange | None:
    """The change; `queues` has the architecture of each queue's ARN.

    None for a job that is no task: of somebody else, or a child of an array job that nobody named.

    Raises EventError for a detail that is no job.
    """
    detail = message.detail
    try:
        named = NAME.fullmatch(detail["jobName"])
        if named is None or detail["jobQueue"] not in queues:
            return None
        array = detail.get("arrayProperties") or {}
        if "index" in array and message.task is None:
            return None
        state, index = message.task or (named["state"], int(named["index"]))
        ended = [attempt for attempt in detail.get("attempts") or [] if attempt.get("stoppedAt")]
        status, has_ended = detail["status"], detail["status"] in ENDED
        job = _job(detail, ended, queues)
        return JobChange(
            message_id=message.message_id,
            run_id=named["run"],
            state=state,
            index=index,
            version=version(detail, len(ended), message.time_ms),
            has_ended=has_ended,
            fields={
                "state": state,
                "index": index,
                "status": "PENDING" if status == "SUBMITTED" else status,
                "job_id": detail["jobId"],
                "reason": _reason(detail, has_ended),
                "started_at": as_text(detail.get("startedAt")),
                "stopped_at": as_text(detail.get("stoppedAt")),
                "counts": _counts(array),
            },
            job_name=f"{JOB_PREFIX}{int(detail['createdAt']):013d}:{detail['jobId']}",
            job=job,
            containers=tuple(each["container_instance"] for each in job["attempts"] if "container_instance" in each),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EventError(f"found {detail!r:.200} ({error!r}), expected the detail of a Batch job") from error


def version(detail: Mapping[str, Any], ended_attempts: int, time_ms: int) -> str:
    """See above; times are milliseconds since 1970 in 13 digits."""
    status = detail["status"]
    parts = f"{int(status in ENDED)}:{ended_attempts:02d}:{RANKS.index(status)}:{time_ms:013d}"
    return f"{int(detail['createdAt']):013d}:{detail['jobId']}:{parts}"


def _job(detail: Mapping[str, Any], ended: list[Mapping[str, Any]], queues: Mapping[str, str]) -> dict[str, Any]:
    attempts = [_attempt(attempt, attempt.get("container") or {}) for attempt in ended]
    container = detail.get("container") or {}
    if detail["status"] in ("STARTING", "RUNNING"):
        running = {"startedAt": detail.get("startedAt") if detail["status"] == "RUNNING" else None}
        attempts.append(_attempt(running, {**container, "exitCode": None, "reason": None}))
    asked = {each["type"]: each["value"] for each in container.get("resourceRequirements") or []}
    return _known(
        status=detail["status"],
        queue=detail["jobQueue"].rpartition("/")[2],
        architecture=queues[detail["jobQueue"]],
        vcpus=Decimal(asked["VCPU"]) if "VCPU" in asked else None,
        memory_mib=Decimal(asked["MEMORY"]) if "MEMORY" in asked else None,
        created_at=as_text(detail["createdAt"]),
        attempts=attempts,
        child_seconds=_seconds(detail.get("childSeconds")),
    )


def _attempt(attempt: Mapping[str, Any], container: Mapping[str, Any]) -> dict[str, Any]:
    reasons = (container.get("reason"), attempt.get("statusReason"))
    return _known(
        started_at=as_text(attempt.get("startedAt")),
        stopped_at=as_text(attempt.get("stoppedAt")),
        exit_code=container.get("exitCode"),
        reason="; ".join(str(reason) for reason in reasons if reason)[:LONGEST_REASON] or None,
        log_stream=container.get("logStreamName"),
        container_instance=container.get("containerInstanceArn"),
    )


def _reason(detail: Mapping[str, Any], has_ended: bool) -> str | None:
    """Why it failed, or why it waits, in the words and the order of `hpc show`."""
    if detail["status"] == "SUCCEEDED":
        return None
    container = (detail.get("container") or {}) if has_ended else {}
    exit_code = container.get("exitCode")
    parts = ["" if exit_code is None else f"exit code {exit_code}", container.get("reason"), detail.get("statusReason")]
    return "; ".join(dict.fromkeys(str(part) for part in parts if part))[:LONGEST_REASON] or None


def _counts(array: Mapping[str, Any]) -> dict[str, int] | None:
    """How many of a group's children have which status; None for what is no group."""
    if "size" not in array:
        return None
    return {status: int(count) for status, count in (array.get("statusSummary") or {}).items() if count}


def _seconds(told: Mapping[str, float] | None) -> dict[str, Decimal] | None:
    """What the reconciler tells of a group that is over: its children's time by how they ended, to the millisecond."""
    return {status: Decimal(str(round(seconds, 3))) for status, seconds in told.items()} if told is not None else None


def _known(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
