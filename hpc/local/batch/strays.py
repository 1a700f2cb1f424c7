"""Ends processes that left their job's process group, or outlived their platform."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")
_ROUNDS = 5
#: So few processes are looked at one by one, whether they are still there or not; listing all takes longer.
_FEW = 64
#: A killed process that writes to a disk ends when that is done.
_ENDS_WITHIN_S = 10.0
_POLL_S = 0.01


def last_process_id() -> int:
    """The process id that was handed out last; 0 where that cannot be known. Ids rise, and begin anew at their end."""
    try:
        return int((_PROC / "loadavg").read_text().rpartition(" ")[2])
    except (OSError, ValueError):
        return 0


def end_processes_with(variable: str, value: str, *, newer_than: int = 0) -> int:
    """Kills every process that was started with this environment variable; returns how many it found.

    A container takes all its processes with it; here a process that made itself a session of its own would outlive its
    job. Repeats until none is found, since a process may start another one meanwhile. Does nothing where there is no
    /proc (macOS): there only the process group ends with its job.

    `newer_than` is the `last_process_id` of a moment ago: older processes are not looked at, which is most of the cost.
    """
    marker = f"{variable}={value}\0".encode()
    found = 0
    for _ in range(_ROUNDS):
        strays = [pid for pid in _own_processes(newer_than) if marker in _environment(pid)]
        if not strays:
            break
        found += len(strays)
        _kill(strays)
    return found


def end_processes_in(folder: Path) -> int:
    """Kills every process that works in a folder or below it, and waits for their ends; returns how many it found.

    For jobs that outlived a killed platform: each works in a scratch folder of its own. Does nothing without /proc.
    """
    root = str(folder.resolve())
    strays = [pid for pid in _own_processes() if f"{_working_folder(pid)}/".startswith(f"{root}/")]
    _kill(strays)
    wait_for_ends(strays)
    return len(strays)


def wait_for_ends(pids: Iterable[int], within_s: float = _ENDS_WITHIN_S) -> bool:
    """Waits until these processes hold nothing any more; False when one still does after that time."""
    give_up_at = time.monotonic() + within_s
    for pid in pids:
        while not _has_ended(pid):
            if time.monotonic() > give_up_at:
                return False
            time.sleep(_POLL_S)
    return True


def _has_ended(pid: int) -> bool:
    """True for a zombie as well, which waits for its parent only, but not while another thread of it still ends.

    Source: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html (fields 3 and 20)
    """
    if _PROC.is_dir():
        try:
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return True
        state, threads = fields[0], int(fields[17])
        return state in ("Z", "X") and threads <= 1
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def _kill(pids: list[int]) -> None:
    """Kills processes as one: none of them sees another one end and goes on without it."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _working_folder(pid: int) -> str:
    try:
        return str((_PROC / str(pid) / "cwd").readlink())
    except OSError:
        return ""


def _own_processes(newer_than: int = 0) -> Iterable[int]:
    oldest = newer_than
    if newer_than:
        newest = last_process_id()
        if 0 <= newest - newer_than < _FEW:
            return range(newer_than + 1, newest + 1)
        oldest = newer_than if newest >= newer_than else 0  # ids have begun anew
    if not _PROC.is_dir():
        return ()
    pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdecimal())
    return [pid for pid in pids if pid > oldest and pid != os.getpid()]


def _environment(pid: int) -> bytes:
    """The environment a process was started with; empty when it is another user's, a zombie or gone."""
    try:
        return (_PROC / str(pid) / "environ").read_bytes() + b"\0"
    except OSError:
        return b""
