"""Jobs that can never run block their queue, as on AWS, until the queue's time limit or a person cancels them."""

import threading
from collections.abc import Callable
from typing import Any


class BlockedJobs:
    """Waits out `jobStateTimeLimitActions` of queues for jobs that no compute environment can take.

    Of the reasons that such actions name, this one alone happens on the laptop.
    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html
    """

    REASON = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"
    STATUS_REASON = f"{REASON} - CE(s) associated with the job queue cannot meet the CPU requirement of the job."
    CANCEL_REASON = f"Canceled by JobStateTimeLimit action due to reason: {REASON}"

    def __init__(self, lock: threading.RLock, cancel: Callable[[str], None]) -> None:
        self._lock = lock
        self._cancel = cancel
        self._timers: dict[str, threading.Timer] = {}

    def watch(self, job_id: str, queue: dict[str, Any]) -> None:
        """Starts the time limit of a job that has just been found to block its queue; again for one: nothing."""
        limits = [action for action in queue["jobStateTimeLimitActions"] if action["reason"] == self.REASON]
        if job_id in self._timers or not limits:
            return
        timer = threading.Timer(limits[0]["maxTimeSeconds"], self._expire, (job_id,))
        timer.daemon = True
        self._timers[job_id] = timer
        timer.start()

    def forget(self, job_id: str) -> None:
        """The job has ended."""
        timer = self._timers.pop(job_id, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """No time limit ends any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _expire(self, job_id: str) -> None:
        with self._lock:
            if self._timers.pop(job_id, None) is not None:
                self._cancel(job_id)
