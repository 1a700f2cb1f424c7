"""The jobs that are in a queue now: which wait and what Batch says of them, and how many vCPUs the others have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hpc.checks.compute import Queue
from hpc.checks.sizes import asked_for
from hpc.connection import Connection
from hpc.jobs import STARTED, describe_details

# Enough to tell a full queue from an empty one, and few enough calls for a queue with a million jobs.
MAX_JOBS = 1_000


@dataclass(frozen=True)
class WaitingJob:
    """A job that could start but does not, and why, in Batch's words (empty for all but the first of a queue)."""

    name: str
    queue: Queue
    reason: str


@dataclass(frozen=True)
class QueueJobs:
    """What waits and what runs in a queue; `next_vcpus` is what the oldest waiting job asks for."""

    queue: Queue
    waiting: int
    blocked: tuple[WaitingJob, ...]
    next_vcpus: float
    running: int
    running_vcpus: float


def read_queue_jobs(connection: Connection, queue: Queue) -> QueueJobs:
    """Asks ListJobs and DescribeJobs, for at most `MAX_JOBS` of each status; the children of array jobs count."""
    batch = connection.client("batch")
    runnable = _some(batch, jobQueue=queue.name, jobStatus="RUNNABLE")
    started = [job for status in STARTED for job in _some(batch, jobQueue=queue.name, jobStatus=status)]
    # An array job is PENDING while its children wait and run.
    pending = [job for job in _some(batch, jobQueue=queue.name, jobStatus="PENDING") if job.get("arrayProperties")]
    arrays = described(batch, pending)
    children = [
        child
        for array in arrays
        if children_in(array, "RUNNABLE")
        for child in _some(batch, arrayJobId=array["jobId"], jobStatus="RUNNABLE")
    ]
    details = described(batch, started)
    waiting = sorted([*runnable, *children], key=lambda job: int(job.get("createdAt", 0)))
    return QueueJobs(
        queue=queue,
        waiting=len(waiting),
        blocked=tuple(
            WaitingJob(job["jobName"], queue, job["statusReason"]) for job in waiting if job.get("statusReason")
        ),
        next_vcpus=max((vcpus_of(job) for job in described(batch, waiting[:1])), default=0),
        running=len(started) + sum(children_in(array, *STARTED) for array in arrays),
        running_vcpus=sum(map(vcpus_of, details))
        + sum(vcpus_of(array) * children_in(array, *STARTED) for array in arrays),
    )


def vcpus_of(job: Mapping[str, Any]) -> float:
    """What a job asks for, as DescribeJobs shows it."""
    return asked_for(job.get("container") or {})[0]


def children_in(array: Mapping[str, Any], *statuses: str) -> int:
    """How many children of an array job, as DescribeJobs shows it, are in these statuses."""
    summary = (array.get("arrayProperties") or {}).get("statusSummary") or {}
    return sum(int(summary.get(status, 0)) for status in statuses)


def listed(batch: Any, **of: str) -> Iterator[Mapping[str, Any]]:
    """Jobs as ListJobs tells them, page by page as they are taken."""
    pages = batch.get_paginator("list_jobs").paginate(**of)
    return (job for page in pages for job in page["jobSummaryList"])


def described(batch: Any, jobs: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The same jobs as DescribeJobs tells them."""
    return list(describe_details(batch, (job["jobId"] for job in jobs)))


def _some(batch: Any, **of: str) -> list[Mapping[str, Any]]:
    return list(islice(listed(batch, **of), MAX_JOBS))
