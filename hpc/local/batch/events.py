"""Hands state changes to the host, one after the other, without anybody waiting for it."""

import logging
import queue
import threading
from typing import Any

from hpc.local.batch.ports import OnStateChange

_LOG = logging.getLogger(__name__)


class StateChanges:
    """A thread that calls the host's port, so that a host which calls the service back cannot lock it up."""

    def __init__(self, on_state_change: OnStateChange) -> None:
        self._on_state_change = on_state_change
        self._details: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._deliver, name="batch-events", daemon=True)
        self._thread.start()

    def publish(self, detail: dict[str, Any]) -> None:
        """Takes one event; returns at once."""
        self._details.put(detail)

    def close(self, timeout_s: float) -> None:
        """Delivers what was published so far and ends the thread."""
        self._details.put(None)
        self._thread.join(timeout_s)

    def _deliver(self) -> None:
        while (detail := self._details.get()) is not None:
            try:
                self._on_state_change(detail)
            except Exception:  # noqa: BLE001 (an event that the host does not take must not end the next ones)
                _LOG.exception("state change of job %s was not taken", detail["jobId"])
