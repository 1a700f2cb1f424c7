"""All jobs, found by id, by queue and by status without looking at the others."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator

from hpc.local.batch.model import STATUSES, Job


class JobStore:
    """Jobs of the service's life; the oldest final ones beyond `max_final_jobs` are forgotten.

    Children of an array job are found through it: they are in no queue's lists, as on AWS. Not locked by itself:
    whoever uses it holds the service's lock.
    """

    def __init__(self, max_final_jobs: int) -> None:
        self._max_final_jobs = max_final_jobs
        self._jobs: dict[str, Job] = {}
        self._by_queue: dict[str, dict[str, dict[str, Job]]] = {}
        self._final: deque[Job] = deque()
        self._waiters: dict[str, threading.Event] = {}
        self._last_sequence = 0

    def next_sequence(self) -> int:
        """The place of the next job in the order of submission."""
        self._last_sequence += 1
        return self._last_sequence

    def add(self, job: Job) -> None:
        """Takes a new or restored job, in the place of one with the same id; an array job comes with its children."""
        self._last_sequence = max(self._last_sequence, job.sequence)
        if job.parent is None:
            replaced = self._jobs.get(job.job_id)
            if replaced is not None:
                del self._index(replaced)[job.job_id]
            self._jobs[job.job_id] = job
            self._index(job)[job.job_id] = job
        self._settle(job)

    def move(self, job: Job, status: str) -> None:
        """Changes a job's status; nothing follows a final one."""
        if job.parent is None:
            del self._index(job)[job.job_id]
            job.status = status
            self._index(job)[job.job_id] = job
        else:
            if job.parent.array is not None:
                job.parent.array.counts[job.status] -= 1
                job.parent.array.counts[status] += 1
            job.status = status
        self._settle(job)

    def get(self, job_id: str) -> Job | None:
        """The job with this id, `<id of an array job>:<index>` for a child; None when it is not, or no more, there."""
        parent_id, _, index = job_id.partition(":")
        job = self._jobs.get(parent_id)
        if not index or job is None:
            return job
        children = job.array.children if job.array is not None else []
        return children[int(index)] if index.isdecimal() and int(index) < len(children) else None

    def all(self) -> Iterable[Job]:
        """All jobs but the children of array jobs."""
        return self._jobs.values()

    def in_queue(self, queue_arn: str, statuses: Iterable[str] = STATUSES) -> Iterator[Job]:
        """Jobs of a queue that have one of the statuses; of array jobs only the parents."""
        by_status = self._by_queue.get(queue_arn, {})
        for status in statuses:
            yield from by_status.get(status, {}).values()

    def finished(self, job: Job) -> threading.Event:
        """An event that is set when the job is final."""
        event = self._waiters.setdefault(job.job_id, threading.Event())
        self._settle_waiters(job)
        return event

    def _index(self, job: Job) -> dict[str, Job]:
        return self._by_queue.setdefault(job.queue_arn, {}).setdefault(job.status, {})

    def _settle(self, job: Job) -> None:
        if not job.is_final:
            return
        self._settle_waiters(job)
        self._final.append(job)
        while len(self._final) > self._max_final_jobs:
            self._forget(self._final.popleft())

    def _forget(self, job: Job) -> None:
        """Forgets the job; one that was replaced by a record of the same id is gone already."""
        if self.get(job.job_id) is not job:
            return
        if job.parent is not None and job.parent.array is not None and job.index is not None:
            job.parent.array.children[job.index] = None
        else:
            del self._jobs[job.job_id]
            del self._index(job)[job.job_id]

    def _settle_waiters(self, job: Job) -> None:
        if job.is_final and job.job_id in self._waiters:
            self._waiters.pop(job.job_id).set()
