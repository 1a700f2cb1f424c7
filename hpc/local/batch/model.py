"""Jobs and their attempts."""

from dataclasses import dataclass, field
from typing import Any

from hpc.local.batch.resources import Resources
from hpc.local.batch.retry import RetryStrategy
from hpc.local.batch.values import copied

SUBMITTED, RUNNABLE, STARTING, RUNNING = "SUBMITTED", "RUNNABLE", "STARTING", "RUNNING"
SUCCEEDED, FAILED = "SUCCEEDED", "FAILED"
#: No job here waits for another one, so none is ever PENDING.
#: Source: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
STATUSES = (SUBMITTED, "PENDING", RUNNABLE, STARTING, RUNNING, SUCCEEDED, FAILED)
FINAL = (SUCCEEDED, FAILED)
ACTIVE = tuple(status for status in STATUSES if status not in FINAL)


@dataclass(slots=True)
class Attempt:
    """One try to run a job; times are milliseconds since 1970."""

    task_arn: str
    log_group: str
    log_stream: str
    started_at: int | None = None
    stopped_at: int | None = None
    exit_code: int | None = None
    reason: str | None = None
    status_reason: str | None = None


@dataclass(slots=True, eq=False)
class Job:
    """One submitted job; times are milliseconds since 1970, `sequence` is its place in the order of submission.

    `definition` is the shared record of its revision; `command`, `environment` and `resource_requirements` hold only
    what the submission overrides, so that tens of thousands of finished jobs stay small.
    """

    job_id: str
    arn: str
    name: str
    sequence: int
    queue_arn: str
    definition: dict[str, Any]
    created_at: int
    command: list[str]
    environment: dict[str, str]
    resource_requirements: list[dict[str, str]]
    parameters: dict[str, str]
    timeout_s: int | None
    retry_strategy: dict[str, Any] | None
    tags: dict[str, str]
    propagate_tags: bool
    status: str = SUBMITTED
    status_reason: str | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    #: Finished attempts; `current` is the one that is starting or running.
    attempts: list[Attempt] = field(default_factory=list)
    current: Attempt | None = None
    #: Why somebody wants the job to end; it is not tried again.
    stop_reason: str | None = None
    is_cancelled: bool = False
    is_terminated: bool = False

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def retry(self) -> RetryStrategy:
        return RetryStrategy.parse(self.retry_strategy)

    @property
    def on_fargate(self) -> bool:
        return bool(self.definition["platformCapabilities"] == ["FARGATE"])


@dataclass(slots=True, eq=False)
class Placement:
    """Where an attempt runs, and what it takes of the laptop."""

    environment_arn: str
    environment_name: str
    asked: Resources
    taken: Resources


def to_json(job: Job) -> dict[str, Any]:
    """The job as JSON data that shares nothing changeable with it, its definition by ARN."""
    return {
        **{name: copied(getattr(job, name)) for name in _PLAIN},
        "definition": job.definition["jobDefinitionArn"],
        "attempts": [{name: getattr(attempt, name) for name in Attempt.__slots__} for attempt in job.attempts],
    }


def from_json(data: dict[str, Any], definition: dict[str, Any]) -> Job:
    """The job that `to_json` wrote; its current attempt, if it had one, is lost."""
    return Job(
        **{name: data[name] for name in _PLAIN},
        definition=definition,
        attempts=[Attempt(**attempt) for attempt in data["attempts"]],
    )


_PLAIN = tuple(name for name in Job.__slots__ if name not in ("definition", "attempts", "current"))
