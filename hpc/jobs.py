"""A run's jobs in AWS Batch.

Batch keeps ended jobs for at least 7 days; later a run has no jobs to show.
Source: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hpc.connection import Connection

# In their order. Source: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
STATUSES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
# In these a job takes vCPUs.
STARTED = ("STARTING", "RUNNING")
ENDED = frozenset({"SUCCEEDED", "FAILED"})
# Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobs.html
_DESCRIBED_AT_ONCE = 100
DEFAULT_LOG_GROUP = "/aws/batch/job"


@dataclass(frozen=True)
class Job:
    """One job of a task; a task has several when the run tried it again. `detail` is Batch's own description."""

    job_id: str
    state: str
    index: int
    status: str
    created_at: int
    status_reason: str
    detail: Mapping[str, Any]

    @property
    def has_ended(self) -> bool:
        return self.status in ENDED


def list_jobs(connection: Connection, queues: Sequence[str], run_id: str, task: str = "*") -> list[Job]:
    """All jobs of a run in every status, as ListJobs tells them (without attempts), oldest first.

    `task` limits them to those of one task (`String_Repeat-3`) or step (`String_Repeat-*`).
    """
    batch = connection.client("batch")
    # By id: a job that starts between two pages may be on both.
    found: dict[str, Job] = {}
    for queue in queues:
        # With a filter Batch gives every status back. Source:
        # https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html
        pages = batch.get_paginator("list_jobs").paginate(
            jobQueue=queue, filters=[{"name": "JOB_NAME", "values": [f"{run_id}-{task}"]}]
        )
        jobs = (_job(summary, run_id) for page in pages for summary in page["jobSummaryList"])
        found |= {job.job_id: job for job in jobs if job}
    return sorted(found.values(), key=lambda job: job.created_at)


def describe_jobs(connection: Connection, jobs: Iterable[Job], run_id: str) -> list[Job]:
    """The same jobs with attempts and logs, in the same order; without those that Batch has forgotten since."""
    details = describe_details(connection.client("batch"), (job.job_id for job in jobs))
    found = [job for detail in details if (job := _job(detail, run_id))]
    return sorted(found, key=lambda job: job.created_at)


def describe_details(batch: Any, ids: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    """What DescribeJobs says of jobs, however many they are; without those that Batch has forgotten since."""
    remaining = iter(ids)
    while some := list(islice(remaining, _DESCRIBED_AT_ONCE)):
        yield from batch.describe_jobs(jobs=some)["jobs"]


def unfinished_jobs(connection: Connection, queues: Sequence[str], run_id: str) -> list[Job]:
    """The jobs of a run that are waiting or at work."""
    return [job for job in list_jobs(connection, queues, run_id) if not job.has_ended]


def latest_by_task(jobs: Iterable[Job]) -> dict[tuple[str, int], Job]:
    """The newest job of each task; `jobs` are in the order of their creation."""
    return {(job.state, job.index): job for job in jobs}


def started_attempts(job: Job) -> int:
    """How often Batch started it; a running attempt is not listed among the attempts before it ends."""
    ended = sum(1 for attempt in job.detail.get("attempts") or [] if attempt.get("stoppedAt"))
    return ended + (job.status in {"STARTING", "RUNNING"})


def failure_reason(job: Job) -> str:
    """What Batch says about a failed job: the exit code, the container's and the job's reason; empty if it did not."""
    if job.status != "FAILED":
        return ""
    container = job.detail.get("container") or {}
    exit_code = container.get("exitCode")
    parts = [
        f"exit code {exit_code}" if exit_code is not None else "",
        str(container.get("reason") or ""),
        job.status_reason,
    ]
    return "; ".join(dict.fromkeys(part for part in parts if part)) or "failed without a reason"


def log_streams(job: Job) -> list[tuple[str, str]]:
    """Log group and stream of each attempt, oldest first; none for a job that never started."""
    container = job.detail.get("container") or {}
    options = (container.get("logConfiguration") or {}).get("options") or {}
    group = options.get("awslogs-group") or DEFAULT_LOG_GROUP
    attempts = [(attempt.get("container") or {}).get("logStreamName") for attempt in job.detail.get("attempts") or []]
    streams = dict.fromkeys([*attempts, container.get("logStreamName")])
    return [(group, stream) for stream in streams if stream]


def _job(summary: Mapping[str, Any], run_id: str) -> Job | None:
    """None for a job of another run whose id begins with ours."""
    before, _, name = str(summary["jobName"]).partition(f"{run_id}-")
    state, _, index = name.rpartition("-")
    if before or not state or "-" in state or not index.isdecimal():
        return None
    status = str(summary.get("status", "SUBMITTED"))
    return Job(
        job_id=summary["jobId"],
        state=state,
        index=int(index),
        # A job is SUBMITTED for the moment before Batch looks at it.
        status="PENDING" if status == "SUBMITTED" else status,
        created_at=int(summary.get("createdAt", 0)),
        status_reason=str(summary.get("statusReason") or ""),
        detail=summary,
    )
