"""How many jobs of a queue are in which state, and how much of its environments they take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hpc.checks.compute import DELETED, Queue
from hpc.checks.queue_jobs import MAX_JOBS, children_in, described, listed, vcpus_of
from hpc.connection import Connection
from hpc.jobs import STARTED, STATUSES


@dataclass(frozen=True)
class QueueCounts:
    """Jobs by status, ended ones as long as Batch keeps them (about 7 days); of an array job its children count.

    There may be more than was counted of the statuses in `at_least`, and then more than `running_vcpus` are taken.
    """

    queue: Queue
    jobs: Mapping[str, int]
    at_least: tuple[str, ...]
    running_vcpus: float

    @property
    def max_vcpus(self) -> int:
        """What its environments may have together; those of another queue too may be taken by that one's jobs."""
        return sum(environment.max_vcpus for environment in self.queue.environments if environment.is_usable)

    def as_json(self) -> dict[str, Any]:
        queue = self.queue
        return {
            "name": queue.name,
            "architecture": queue.architecture,
            "use": queue.use,
            "state": queue.state,
            "environments": [
                {
                    "name": each.name,
                    "kind": each.kind,
                    "state": each.state,
                    "status": each.status,
                    "max_vcpus": each.max_vcpus,
                    "instance_types": [*each.instance_types],
                }
                for each in queue.environments
            ],
            "jobs": dict(self.jobs),
            "at_least": [*self.at_least],
            "running_vcpus": self.running_vcpus,
            "max_vcpus": self.max_vcpus,
        }


def read_queue_counts(connection: Connection, queue: Queue) -> QueueCounts:
    """Asks ListJobs for at most `MAX_JOBS` of each status, and DescribeJobs for those that run and for array jobs.

    A job that moves on between two of these calls may be counted twice or not at all. Batch is not asked about a queue
    that is gone: it would refuse.
    """
    if queue.state == DELETED:
        return QueueCounts(queue, jobs=dict.fromkeys(STATUSES, 0), at_least=(), running_vcpus=0.0)
    batch = connection.client("batch")
    found: dict[str, list[Mapping[str, Any]]] = {}
    cut = set()
    for status in STATUSES:
        jobs = list(islice(listed(batch, jobQueue=queue.name, jobStatus=status), MAX_JOBS + 1))
        found[status] = jobs[:MAX_JOBS]
        cut |= {status} if len(jobs) > MAX_JOBS else set()
    single = {status: [job for job in jobs if not _size(job)] for status, jobs in found.items()}
    # All children of one that succeeded did, too; of any other it takes a description.
    succeeded = sum(map(_size, found.pop("SUCCEEDED")))
    arrays = described(batch, (job for jobs in found.values() for job in jobs if _size(job)))
    started = described(batch, (job for status in STARTED for job in single[status]))
    counts = {status: len(single[status]) + sum(_in_status(each, status) for each in arrays) for status in STATUSES}
    return QueueCounts(
        queue=queue,
        jobs=counts | {"SUCCEEDED": counts["SUCCEEDED"] + succeeded},
        at_least=_uncertain(cut),
        running_vcpus=sum(map(vcpus_of, started))
        + sum(vcpus_of(each) * children_in(each, *STARTED) for each in arrays),
    )


def _in_status(array: Mapping[str, Any], status: str) -> int:
    """An array's children in a status; those that Batch has not summed up yet are in the array's own."""
    others = _size(array) - children_in(array, *STATUSES) if array["status"] == status else 0
    return children_in(array, status) + max(0, others)


def _size(job: Mapping[str, Any]) -> int:
    """How many children an array job has; 0 for any other job."""
    return int((job.get("arrayProperties") or {}).get("size", 0))


def _uncertain(cut: set[str]) -> tuple[str, ...]:
    """The statuses that jobs which were not listed may be in: children of an array job are in others than itself."""
    if "PENDING" in cut:
        return STATUSES
    if "FAILED" in cut:
        cut = cut | {"SUCCEEDED"}
    return tuple(status for status in STATUSES if status in cut)
