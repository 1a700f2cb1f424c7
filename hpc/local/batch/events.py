"""Hands state changes to the host, one after the other, without anybody waiting for it."""

import heapq
import logging
import queue
import threading
import time

from hpc.local.batch.faults import EventFault, FaultsFileError, FaultSwitches
from hpc.local.batch.job_views import event_detail
from hpc.local.batch.model import Job, as_it_is
from hpc.local.batch.ports import OnStateChange

_LOG = logging.getLogger(__name__)


class StateChanges:
    """A thread that calls the host's port, so that a host which calls the service back cannot lock it up.

    Until a change is delivered it is kept as a small copy of its job: an array job makes ten thousand at once.
    """

    def __init__(self, on_state_change: OnStateChange, faults: FaultSwitches) -> None:
        self._on_state_change = on_state_change
        self._faults = faults
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        #: Events that a fault switch holds back, with the moment when each is due.
        self._late: list[tuple[float, int, Job]] = []
        self._thread = threading.Thread(target=self._deliver, name="batch-events", daemon=True)
        self._thread.start()

    def publish(self, job: Job) -> None:
        """Takes the change that has just brought a job to its status; the lock that guards it must be held."""
        self._jobs.put(as_it_is(job))

    def close(self, timeout_s: float) -> None:
        """Delivers what was published so far and ends the thread."""
        self._jobs.put(None)
        self._thread.join(timeout_s)

    def _deliver(self) -> None:
        number = 0
        while True:
            wait_s = max(0.0, self._late[0][0] - time.monotonic()) if self._late else None
            try:
                job = self._jobs.get(timeout=wait_s)
            except queue.Empty:
                self._hand_over(heapq.heappop(self._late)[2])
                continue
            if job is None:
                break
            fault = self._fault(job)
            for _ in range(fault.copies):
                number += 1
                if fault.delay_s:
                    heapq.heappush(self._late, (time.monotonic() + fault.delay_s, number, job))
                else:
                    self._hand_over(job)
        while self._late:
            self._hand_over(heapq.heappop(self._late)[2])

    def _fault(self, job: Job) -> EventFault:
        try:
            return self._faults.for_event(job.label, job.status, len(job.attempts))
        except FaultsFileError:
            return EventFault()  # the next attempt fails with the reason

    def _hand_over(self, job: Job) -> None:
        try:
            self._on_state_change(event_detail(job))
        except Exception:  # noqa: BLE001 (an event that the host does not take must not end the next ones)
            _LOG.exception("state change of job %s was not taken", job.job_id)
