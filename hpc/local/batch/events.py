"""Hands state changes to the host, one after the other, without anybody waiting for it."""

import heapq
import logging
import queue
import threading
import time
from typing import Any

from hpc.local.batch.faults import EventFault, FaultsFileError, FaultSwitches
from hpc.local.batch.ports import OnStateChange

_LOG = logging.getLogger(__name__)

Detail = dict[str, Any]


class StateChanges:
    """A thread that calls the host's port, so that a host which calls the service back cannot lock it up."""

    def __init__(self, on_state_change: OnStateChange, faults: FaultSwitches) -> None:
        self._on_state_change = on_state_change
        self._faults = faults
        self._details: queue.SimpleQueue[Detail | None] = queue.SimpleQueue()
        #: Events that a fault switch holds back, with the moment when each is due.
        self._late: list[tuple[float, int, Detail]] = []
        self._thread = threading.Thread(target=self._deliver, name="batch-events", daemon=True)
        self._thread.start()

    def publish(self, detail: Detail) -> None:
        """Takes one event; returns at once."""
        self._details.put(detail)

    def close(self, timeout_s: float) -> None:
        """Delivers what was published so far and ends the thread."""
        self._details.put(None)
        self._thread.join(timeout_s)

    def _deliver(self) -> None:
        number = 0
        while True:
            wait_s = max(0.0, self._late[0][0] - time.monotonic()) if self._late else None
            try:
                detail = self._details.get(timeout=wait_s)
            except queue.Empty:
                self._hand_over(heapq.heappop(self._late)[2])
                continue
            if detail is None:
                break
            fault = self._fault(detail)
            for _ in range(fault.copies):
                number += 1
                if fault.delay_s:
                    heapq.heappush(self._late, (time.monotonic() + fault.delay_s, number, detail))
                else:
                    self._hand_over(detail)
        while self._late:
            self._hand_over(heapq.heappop(self._late)[2])

    def _fault(self, detail: Detail) -> EventFault:
        index = detail.get("arrayProperties", {}).get("index")
        label = detail["jobName"] if index is None else f"{detail['jobName']}:{index}"
        try:
            return self._faults.for_event(label, detail["status"], len(detail["attempts"]))
        except FaultsFileError:
            return EventFault()  # the next attempt fails with the reason

    def _hand_over(self, detail: Detail) -> None:
        try:
            self._on_state_change(detail)
        except Exception:  # noqa: BLE001 (an event that the host does not take must not end the next ones)
            _LOG.exception("state change of job %s was not taken", detail["jobId"])
