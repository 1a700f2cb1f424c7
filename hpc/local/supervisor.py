"""The laptop platform's first process: starts the others, starts those again that die, and ends them all.

`hpc up` starts it as `python -m hpc.local.supervisor CONFIG.json`. It holds a lock on `platform.lock` in the state
directory for as long as it lives: whoever finds the lock free knows that no platform runs there, whatever a stale file
says. SIGTERM ends the platform and keeps its state; when it is killed, the system ends its children with it (on Linux;
elsewhere the next platform does).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from hpc.local import front_door, object_store, web
from hpc.local.batch.strays import end_processes_in, wait_for_ends
from hpc.local.child import END_WITHIN_S, Child
from hpc.local.configuration import JOBS_DIR, PlatformConfig, write_private

LOCK_FILE = "platform.lock"
CHILDREN_FILE = "children.json"
STORE_DIR = "objects"
# Why the platform ended by itself, for whoever looks for it.
LAST_WORDS_FILE = "ended.txt"

_LOOK_EVERY_S = 0.2
# The emulator ends its jobs (30 s of grace each) and saves its state.
_END_EMULATOR_S = 50
# Page, recovery, front door and object store besides the emulator, one after the other.
LONGEST_END_S = _END_EMULATOR_S + 4 * END_WITHIN_S
# Whoever looks whether a platform runs holds the lock for a moment, too.
_LOCK_WITHIN_S = 1.0


def children(config: PlatformConfig, config_file: Path) -> list[Child]:
    """The platform's processes in the order of their start."""
    state = config.state
    caddy_file = state / "front-door.json"
    front_door.write_configuration(caddy_file, port=config.port, store_host=config.store.host)
    object_store.prepare(state / STORE_DIR)
    python = [sys.executable, "-m", "hpc.local.emulator", str(config_file)]
    return [
        Child(
            name="object store",
            command=object_store.command(config.store, state / STORE_DIR),
            environment=object_store.environment(config.store, state / STORE_DIR),
            folder=state / STORE_DIR,
            # It takes 15 s to end when it is asked to, and what it has acknowledged is in its files either way.
            end_signal=signal.SIGKILL,
        ),
        Child(
            name="emulator",
            command=python,
            environment=dict(os.environ),
            folder=state,
            end_signal=signal.SIGUSR2,
            end_within_s=_END_EMULATOR_S,
        ),
        Child(
            name="front door",
            command=front_door.command(caddy_file),
            environment=front_door.environment(state / "tmp"),
            folder=state,
        ),
    ]


def recovery(config: PlatformConfig) -> Child:
    """The process that continues what ran when the emulator died; it ends by itself, and with the platform."""
    return Child(
        name="recovery",
        command=[sys.executable, "-m", "hpc.local.recovery"],
        environment=dict(os.environ),
        folder=config.state,
        end_signal=signal.SIGKILL,
    )


def page(config: PlatformConfig, told: web.WebConfig) -> Child:
    """The page's server; it ends at once when asked: what it was asked for is a look, or a file that is sent again."""
    return Child(
        name="page",
        command=web.command(config.state),
        environment=web.environment(told, config.state / "tmp"),
        folder=web.folder(Path(config.project_root)),
        end_signal=signal.SIGQUIT,
    )


class Supervisor:
    """Keeps the platform's processes alive until it is told to end."""

    def __init__(self, config: PlatformConfig, config_file: Path, lock: IO[str]) -> None:
        self._config = config
        self._state = config.state
        self._lock = lock
        self._log = self._state / "logs" / "platform.log"
        self._store, self._emulator, self._front_door = children(config, config_file)
        self._recovery = recovery(config)
        self._page: Child | None = None
        self._page_told: web.WebConfig | None = None
        self._is_told_to_end = False
        signal.signal(signal.SIGTERM, self._on_end)
        signal.signal(signal.SIGUSR1, self._on_save)

    def run(self) -> int:
        """Starts everything and stays until the end; gives the exit code."""
        self._start(self._store)
        self._start(self._emulator)
        while not self._is_told_to_end:
            time.sleep(_LOOK_EVERY_S if self._front_door.process else _LOOK_EVERY_S / 10)
            if not self._state_is_there():
                self._end_without_state()
                return 1
            for child in self._all:
                if child.has_died() and not self._start_again(child):
                    self._say(f"its {child.name} died again and again; the end of {self._log} tells why")
                    self._end_all()
                    return 1
            self._look_after_page()
            self._recovery.has_died()  # takes note of its end, so that it does not stay as a zombie
            if self._front_door.process is None and (self._state / front_door.EMULATOR_SOCKET).exists():
                self._start(self._front_door)
        self._end_all()
        return 0

    @property
    def _all(self) -> tuple[Child, ...]:
        return self._store, self._emulator, self._front_door

    def _look_after_page(self) -> None:
        """Starts the page as it is wanted. One that dies again and again is left: runs do not need it."""
        told = web.WebConfig.load(self._state)
        if told != self._page_told:
            if self._page:
                self._page.end()
            self._page_told, self._page = told, page(self._config, told) if told else None
            if self._page:
                self._start(self._page)
        elif self._page and self._page.has_died() and not self._start_again(self._page):
            self._page = None

    def _start(self, child: Child) -> None:
        child.start(self._log)
        pids = {each.name: each.process.pid for each in (*self._all, self._page) if each and each.process}
        with contextlib.suppress(OSError):  # a full disk must not end what still runs
            write_private(self._state / CHILDREN_FILE, json.dumps(pids))

    def _start_again(self, child: Child) -> bool:
        """False when the child has died too often."""
        ended = child.process.returncode if child.process else None
        with contextlib.suppress(OSError), self._log.open("a") as log:
            log.write(f"The {child.name} ended with {ended}; starting it again\n")
        if not child.may_start_again():
            return False
        self._start(child)
        if child is self._emulator:
            # What ran when it died goes on; this process only looks after processes. One that still waits or works
            # for an earlier death may be ended anywhere: the next one finds what is left.
            self._recovery.end()
            self._recovery.start(self._log)
        return True

    def _state_is_there(self) -> bool:
        """Whether the lock file that this process holds is still the one in the state directory."""
        try:
            return (self._state / LOCK_FILE).stat().st_ino == os.fstat(self._lock.fileno()).st_ino
        except OSError:
            return False

    def _end_all(self) -> None:
        """The emulator first: its jobs clean up and its state is saved while the others still answer."""
        for child in (self._page, self._recovery, self._emulator, self._front_door, self._store):
            if child:
                child.end()
        object_store.remove_sockets(self._config.store)
        (self._state / CHILDREN_FILE).unlink(missing_ok=True)

    def _end_without_state(self) -> None:
        """Somebody removed the state directory: nothing can be saved, and nothing may be made there again."""
        for child in (self._page, self._recovery, *self._all):
            if child and child.process:
                child.process.kill()
                child.process.wait()
        object_store.remove_sockets(self._config.store)
        end_processes_in(self._state / JOBS_DIR)

    def _say(self, last_words: str) -> None:
        with contextlib.suppress(OSError):
            (self._state / LAST_WORDS_FILE).write_text(last_words)

    def _on_end(self, _signal: int, _frame: Any) -> None:
        self._is_told_to_end = True

    def _on_save(self, _signal: int, _frame: Any) -> None:
        if self._emulator.process:
            self._emulator.process.send_signal(signal.SIGUSR1)


def end_orphans(state: Path) -> None:
    """Ends what a killed platform has left running: its processes, where the system did not, and its jobs.

    Returns when they have ended, so that ports and files are free.
    """
    try:
        pids = json.loads((state / CHILDREN_FILE).read_text())
    except (FileNotFoundError, ValueError):
        pids = {}
    ours = [int(pid) for pid in pids.values() if _names(_command_line(int(pid)), state)]
    for pid in ours:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    end_processes_in(state / JOBS_DIR)
    wait_for_ends(ours)


def _names(command_line: str, state: Path) -> bool:
    """Whether a command line names a state directory or something in it, and not one whose name goes on."""
    return re.search(rf"(^|[\s=]){re.escape(str(state))}(/|\s|$)", command_line) is not None


def _command_line(pid: int) -> str:
    """The command line of a process, empty when there is none; from `ps` where there is no /proc (macOS)."""
    if Path("/proc/self").exists():
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return ""
    found = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout


def hold_lock(state: Path) -> IO[str]:
    """Takes the state directory for this process, for as long as the file stays open; raises SystemExit."""
    lock = (state / LOCK_FILE).open("a+")
    give_up_at = time.monotonic() + _LOCK_WITHIN_S
    while not _locked(lock):
        if time.monotonic() > give_up_at:
            sys.exit(f"another platform already runs in {state}; end it with `hpc down`")
        time.sleep(0.01)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def main(config_file: Path) -> int:
    """Runs a platform; gives the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal ends `hpc run`, not the platform
    os.umask(0o077)
    config = PlatformConfig.load(config_file)
    with hold_lock(config.state) as lock:
        (config.state / LAST_WORDS_FILE).unlink(missing_ok=True)
        end_orphans(config.state)
        (config.state / front_door.EMULATOR_SOCKET).unlink(missing_ok=True)
        return Supervisor(config, config_file, lock).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
