"""Jobs that wait for other jobs: `dependsOn`.

Source: https://docs.aws.amazon.com/batch/latest/userguide/job_dependencies.html
"""

from typing import Any

from hpc.local.batch.errors import client_error
from hpc.local.batch.job_store import JobStore
from hpc.local.batch.model import FAILED, SUCCEEDED, Job
from hpc.local.batch.support import check_fields
from hpc.local.batch.values import choice

N_TO_N, SEQUENTIAL = "N_TO_N", "SEQUENTIAL"
DEPENDENCY_FAILED = "Dependent Job failed"
_MAX_DEPENDENCIES = 20


class Dependencies:
    """Who waits for whom. Not locked by itself: whoever uses it holds the service's lock.

    A job without children depends on whole jobs. An array job as a whole may do so too, and then its children wait
    with it; N_TO_N lets each child wait for the child of the same index in another array job, SEQUENTIAL for the child
    before it.
    """

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._dependents: dict[str, list[Job]] = {}

    def read(self, value: Any, array_size: int | None) -> tuple[dict[str, str], ...]:
        """`dependsOn` of a submission; raises BatchError (ClientException) for what can never be met."""
        entries = value or []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise client_error(f"dependsOn must be a list of dependencies, found {value!r}.")
        if len(entries) > _MAX_DEPENDENCIES:
            raise client_error(f"dependsOn must have at most {_MAX_DEPENDENCIES} entries, found {len(entries)}.")
        return tuple(self._read_entry(entry, array_size) for entry in entries)

    def add(self, job: Job) -> list[Job]:
        """Counts what a new job and its children wait for; returns those of them that wait in vain."""
        lost: list[Job] = []
        for entry in job.depends_on:
            match entry.get("type"):
                case "N_TO_N":
                    pairs = [(child, f"{entry['jobId']}:{child.index}") for child in job.parts]
                case "SEQUENTIAL":
                    children = list(job.parts)
                    pairs = [(child, children[number].job_id) for number, child in enumerate(children[1:])]
                case _:
                    pairs = [(job, entry["jobId"])]
            lost += [waiter for waiter, job_id in pairs if self._wait(waiter, job_id) == FAILED]
        if job.array is not None and job.open_dependencies:
            for child in job.parts:
                child.open_dependencies += 1
        return lost

    def ended(self, job: Job) -> tuple[list[Job], list[Job]]:
        """What may run now that a job has ended, and what never will; each is named once."""
        dependents = [waiter for waiter in self._dependents.pop(job.job_id, ()) if not waiter.is_final]
        if job.status == FAILED:
            return [], dependents
        free: list[Job] = []
        for waiter in dependents:
            waiter.open_dependencies -= 1
            if waiter.open_dependencies:
                continue
            if waiter.array is None:
                free.append(waiter)
                continue
            for child in waiter.parts:
                child.open_dependencies -= 1
                if not child.open_dependencies:
                    free.append(child)
        return free, []

    def _wait(self, waiter: Job, job_id: str) -> str:
        """The status of the job to wait for; one that has succeeded is not waited for."""
        job = self._store.get(job_id)
        # A child that is forgotten had ended; what became of it, its parent still tells.
        status = (job or self._parent(job_id)).status
        if status != SUCCEEDED:
            waiter.open_dependencies += 1
            self._dependents.setdefault(job_id, []).append(waiter)
        return status if job is not None or status == SUCCEEDED else FAILED

    def _parent(self, job_id: str) -> Job:
        parent = self._store.get(job_id.partition(":")[0])
        if parent is None:
            raise client_error(f"dependsOn names job {job_id}, which does not exist.")
        return parent

    def _read_entry(self, entry: dict[str, Any], array_size: int | None) -> dict[str, str]:
        check_fields("dependsOn", entry, path="dependsOn.")
        kind = choice(entry["type"], "dependsOn.type", (N_TO_N, SEQUENTIAL)) if entry.get("type") else None
        if kind is not None and array_size is None:
            raise client_error(f"dependsOn.type {kind} is for array jobs: give arrayProperties.size.")
        if kind == SEQUENTIAL:
            if entry.get("jobId"):
                raise client_error("dependsOn.type SEQUENTIAL orders the job's own children: it takes no jobId.")
            return {"type": SEQUENTIAL}
        job_id = str(entry.get("jobId") or "")
        job = self._store.get(job_id.rpartition("/")[2])
        if job is None:
            raise client_error(f"dependsOn names job {job_id!r}, which does not exist.")
        if kind is None:
            return {"jobId": job.job_id}
        if job.array is None or job.array.size != array_size:
            found = "no array job" if job.array is None else f"of size {job.array.size}"
            raise client_error(f"dependsOn.type N_TO_N needs an array job of size {array_size}, {job_id} is {found}.")
        return {"jobId": job.job_id, "type": N_TO_N}
