"""Jobs that cannot run block their queue, as on AWS, until the queue's time limit or a person cancels them."""

import threading
from collections.abc import Callable
from typing import Any

from hpc.local.batch.model import Job

MAX_RESOURCE = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"
#: Reasons and what else a job's `statusReason` says. The first one happens on the laptop, the others by fault switch.
#: Source: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html
_EXPLANATIONS = {
    MAX_RESOURCE: "CE(s) associated with the job queue cannot meet the CPU requirement of the job.",
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT": (
        "The job resource requirement (vCPU/memory/GPU) is higher than that can be met by the CE(s) attached to the "
        "job queue."
    ),
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY": (
        "Service cannot fulfill the capacity requested for instance type [r6g.large]"
    ),
}


class BlockedJobs:
    """Says why a job blocks its queue, and waits out the queue's `jobStateTimeLimitActions` for it."""

    def __init__(self, lock: threading.RLock, cancel: Callable[[Job, str], None]) -> None:
        self._lock = lock
        self._cancel = cancel
        self._timers: dict[str, threading.Timer] = {}

    def block(self, job: Job, queue: dict[str, Any], reason: str, time_limit_s: float | None = None) -> None:
        """Notes why a job blocks its queue, and starts the queue's time limit for that reason, if it has one.

        `time_limit_s` takes the place of the queue's seconds. Again for the same job and reason: nothing.
        """
        explanation = _EXPLANATIONS.get(reason)
        status_reason = reason if explanation is None else f"{reason} - {explanation}"
        limits = [
            action["maxTimeSeconds"] for action in queue["jobStateTimeLimitActions"] if action["reason"] == reason
        ]
        if job.status_reason == status_reason and (job.job_id in self._timers or not limits):
            return
        self.forget(job.job_id)
        job.status_reason = status_reason
        if limits:
            timer = threading.Timer(limits[0] if time_limit_s is None else time_limit_s, self._expire, (job, reason))
            timer.daemon = True
            self._timers[job.job_id] = timer
            timer.start()

    def unblock(self, job: Job) -> None:
        """The job waits for nothing but room."""
        if job.status_reason is not None:
            job.status_reason = None
            self.forget(job.job_id)

    def forget(self, job_id: str) -> None:
        """The job blocks nothing: it waits for room, or has ended."""
        timer = self._timers.pop(job_id, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """No time limit ends any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _expire(self, job: Job, reason: str) -> None:
        with self._lock:
            if self._timers.pop(job.job_id, None) is not None:
                self._cancel(job, f"Canceled by JobStateTimeLimit action due to reason: {reason}")
