"""Cause: everything is taken, so that jobs wait for others to end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpc.checks.findings import Finding
from hpc.checks.queue_jobs import QueueJobs
from hpc.wording import plural


@dataclass(frozen=True)
class Load:
    """What waits and what is taken of a limit, in jobs and vCPUs; `what` has the limit, `fix` is beside waiting."""

    what: str
    waiting: int
    next_vcpus: float
    running: int
    running_vcpus: float
    most_vcpus: float
    fix: str


def find(load: Load) -> Finding | None:
    """Why jobs wait that nothing else speaks against; one that waits while nothing runs waits for something else."""
    is_full = load.running_vcpus + load.next_vcpus > load.most_vcpus
    if not load.waiting or not load.running or not is_full:
        return None
    return Finding(
        f"{plural(load.waiting, 'job')} {'waits' if load.waiting == 1 else 'wait'} for room: {load.running_vcpus:g} of "
        f"the {load.most_vcpus:g} vCPUs of {load.what} are taken by {plural(load.running, 'job')}; expected "
        f"{load.next_vcpus:g} free for the next one",
        f"wait until others end, {load.fix}",
    )


def loads(jobs: Sequence[QueueJobs], *, machine_vcpus: int | None) -> list[Load]:
    """One for each queue; on a laptop, whose jobs share one machine, one for that too.

    Nobody tells which of its environments a job is in. So the jobs of another queue count when all its environments
    are this queue's, and a queue may be full that is not called so.
    """
    found = []
    for each in jobs:
        within = {environment.name for environment in each.queue.environments}
        certain = [other for other in jobs if {environment.name for environment in other.queue.environments} <= within]
        queue = each.queue
        most = sum(environment.max_vcpus for environment in queue.environments if environment.is_usable)
        what = f"the compute environments of the queue {queue.name} ({queue.label})"
        fix = f"or raise the setting {queue.architecture}MaxVcpus and deploy again"
        found.append(_load(what, [each], certain, most, fix))
    if machine_vcpus is not None:
        # A job that asks for more than the machine has runs there alone.
        found.append(_load("this machine", jobs, jobs, machine_vcpus, "or end other runs: hpc runs, hpc cancel RUN"))
    return found


def _load(what: str, waiting: Sequence[QueueJobs], running: Sequence[QueueJobs], most_vcpus: int, fix: str) -> Load:
    return Load(
        what=what,
        waiting=sum(each.waiting for each in waiting),
        next_vcpus=min((each.next_vcpus for each in waiting if each.waiting), default=0),
        running=sum(each.running for each in running),
        running_vcpus=sum(each.running_vcpus for each in running),
        most_vcpus=most_vcpus,
        fix=fix,
    )
