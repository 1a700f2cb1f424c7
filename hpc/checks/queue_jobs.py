"""The jobs that are in a queue now: which wait and what Batch says of them, and how many vCPUs the others have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hpc.checks.compute import Queue
from hpc.checks.sizes import asked_for
from hpc.connection import Connection
from hpc.jobs import describe_details

# Enough to tell a full queue from an empty one, and few enough calls for a queue with a million jobs.
MAX_JOBS = 1_000
_STARTED = ("STARTING", "RUNNING")


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
    runnable = list(_listed(batch, jobQueue=queue.name, jobStatus="RUNNABLE"))
    started = [job for status in _STARTED for job in _listed(batch, jobQueue=queue.name, jobStatus=status)]
    # An array job is PENDING while its children wait and run.
    pending = [job for job in _listed(batch, jobQueue=queue.name, jobStatus="PENDING") if job.get("arrayProperties")]
    arrays = _described(batch, pending)
    children = [
        child
        for array in arrays
        if _children(array, "RUNNABLE")
        for child in _listed(batch, arrayJobId=array["jobId"], jobStatus="RUNNABLE")
    ]
    details = _described(batch, started)
    waiting = sorted([*runnable, *children], key=lambda job: int(job.get("createdAt", 0)))
    return QueueJobs(
        queue=queue,
        waiting=len(waiting),
        blocked=tuple(
            WaitingJob(job["jobName"], queue, job["statusReason"]) for job in waiting if job.get("statusReason")
        ),
        next_vcpus=max((vcpus_of(job) for job in _described(batch, waiting[:1])), default=0),
        running=len(started) + sum(_children(array, *_STARTED) for array in arrays),
        running_vcpus=sum(map(vcpus_of, details))
        + sum(vcpus_of(array) * _children(array, *_STARTED) for array in arrays),
    )


def vcpus_of(job: Mapping[str, Any]) -> float:
    """What a job asks for, as DescribeJobs shows it."""
    return asked_for(job.get("container") or {})[0]


def _children(array: Mapping[str, Any], *statuses: str) -> int:
    summary = (array.get("arrayProperties") or {}).get("statusSummary") or {}
    return sum(int(summary.get(status, 0)) for status in statuses)


def _listed(batch: Any, **of: str) -> Iterator[Mapping[str, Any]]:
    pages = batch.get_paginator("list_jobs").paginate(**of)
    return islice((job for page in pages for job in page["jobSummaryList"]), MAX_JOBS)


def _described(batch: Any, jobs: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return list(describe_details(batch, (job["jobId"] for job in jobs)))
