"""Ends processes that left their job's process group."""

import contextlib
import os
import signal
from pathlib import Path

_PROC = Path("/proc")
_ROUNDS = 5


def end_processes_with(variable: str, value: str) -> int:
    """Kills every process that was started with this environment variable; returns how many it found.

    A container takes all its processes with it; here a process that made itself a session of its own would outlive its
    job. Repeats until none is found, since a process may start another one meanwhile. Does nothing where there is no
    /proc (macOS): there only the process group ends with its job.
    """
    marker = f"{variable}={value}\0".encode()
    found = 0
    for _ in range(_ROUNDS):
        strays = [pid for pid in _own_processes() if marker in _environment(pid)]
        if not strays:
            break
        found += len(strays)
        for pid in strays:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return found


def _own_processes() -> list[int]:
    if not _PROC.is_dir():
        return []
    pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())
    return [pid for pid in pids if pid != os.getpid()]


def _environment(pid: int) -> bytes:
    """The environment a process was started with; empty when it is another user's, a zombie or gone."""
    try:
        return (_PROC / str(pid) / "environ").read_bytes() + b"\0"
    except OSError:
        return b""
