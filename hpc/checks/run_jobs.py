"""Causes that the jobs of one run tell: what Batch said when it gave one up, or could not start it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hpc.checks.compute import Queue
from hpc.checks.queue_jobs import WaitingJob
from hpc.connection import Connection
from hpc.jobs import describe_jobs, latest_by_task, list_jobs

# Jobs of one run end for the same few reasons.
MAX_JOBS = 100


def read_run_jobs(connection: Connection, run_id: str, queues: Sequence[Queue]) -> Iterator[WaitingJob]:
    """The newest job of each task that has not succeeded, with all that Batch said of its end or its last attempt."""
    by_name = {queue.name: queue for queue in queues}
    jobs = list_jobs(connection, list(by_name), run_id)
    undone = [job for job in latest_by_task(jobs).values() if job.status not in {"SUCCEEDED", "RUNNING"}]
    for job in describe_jobs(connection, undone[-MAX_JOBS:], run_id):
        queue = by_name.get(str(job.detail.get("jobQueue")).rpartition("/")[2])
        if queue is not None:
            yield WaitingJob(str(job.detail["jobName"]), queue, said(job.detail))


def said(detail: Mapping[str, Any]) -> str:
    """What DescribeJobs tells of the end of a job, or of its last attempt; not why a RUNNABLE one waits."""
    attempts = detail.get("attempts") or []
    container = (attempts[-1].get("container") if attempts else None) or {}
    ended = [detail.get("statusReason"), (detail.get("container") or {}).get("reason")]
    parts = [*(ended if detail.get("status") == "FAILED" else []), container.get("reason")]
    return "; ".join(dict.fromkeys(str(part) for part in parts if part))
