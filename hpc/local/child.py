"""One process of the platform: started with its parent's death as its own, started again, ended."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

# What a process that is asked to end may take.
END_WITHIN_S = 10
# A child that dies so often within so short a time will not live the next time either.
_MOST_RESTARTS = 5
_RESTARTS_WITHIN_S = 60.0
_PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """One process of the platform, and how it is started and ended."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    folder: Path
    end_signal: signal.Signals = signal.SIGTERM
    end_within_s: float = END_WITHIN_S
    process: subprocess.Popen[bytes] | None = None
    restarts: deque[float] = field(default_factory=deque)

    def start(self, log: Path) -> None:
        """Starts the process, whose output goes to the log; nowhere when that cannot be opened, as on a full disk."""
        with _opened(log) as file:
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,  # noqa: PLW1509 -- this process has one thread
            )

    def has_died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def end(self) -> None:
        """Ends the process, by force when it takes too long."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(self.end_signal)
        try:
            self.process.wait(self.end_within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def may_start_again(self) -> bool:
        """Whether it has not died too often just now; counts this time."""
        now = time.monotonic()
        self.restarts.append(now)
        while self.restarts and self.restarts[0] < now - _RESTARTS_WITHIN_S:
            self.restarts.popleft()
        return len(self.restarts) <= _MOST_RESTARTS


def _opened(log: Path) -> IO[bytes]:
    try:
        return log.open("ab")
    except OSError:
        return Path(os.devnull).open("ab")


def end_with_parent() -> None:
    """Linux kills this process when its parent dies; called between fork and exec."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


_LIBC = ctypes.CDLL(None)
