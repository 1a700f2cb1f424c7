"""Cause: no compute environment of a queue is enabled, or the queue itself is not."""

from __future__ import annotations

from hpc.checks.compute import Environment, Queue
from hpc.checks.findings import Finding


def find(queue: Queue) -> Finding | None:
    """Why no job of this queue can start."""
    if queue.state != "ENABLED":
        return Finding(
            f"The queue {queue.name} ({queue.label}) is {queue.state}; expected ENABLED, it takes no jobs",
            f"aws batch update-job-queue --job-queue {queue.name} --state ENABLED",
        )
    if any(each.is_usable for each in queue.environments):
        return None
    found = ", ".join(map(_described, queue.environments)) or "none at all"
    return Finding(
        f"The queue {queue.name} ({queue.label}) has no compute environment that runs jobs; found {found}; "
        "expected one that is ENABLED and VALID",
        _fix(queue),
    )


def _described(environment: Environment) -> str:
    if environment.is_working:
        return f"{environment.name} {environment.state}"
    reason = f" ({environment.status_reason})" if environment.status_reason else ""
    return f"{environment.name} {environment.state} and {environment.status}{reason}"


def _fix(queue: Queue) -> str:
    for environment in queue.environments:
        if environment.state != "ENABLED":
            return f"aws batch update-compute-environment --compute-environment {environment.name} --state ENABLED"
    return "mend what the reason names, and deploy again" if queue.environments else "deploy again"
