"""Runs one command as a process group and takes the whole group with it when it ends."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

#: How soon a stop, a timeout or the end of a process with a busy child is noticed, in seconds.
_TICK_S = 0.1
_READ_BYTES = 64 * 1024
#: What is still in the pipe when the group is dead is read for at most this long.
_DRAIN_S = 2.0


class CommandNotStarted(Exception):
    """The command cannot be started; `exit_code` is the shell's: 127 not found, 126 not executable."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class ProcessResult:
    """How a process ended; `exit_code` is 128 + n for one that signal n ended, as in a container.

    `is_lost` when nobody can tell how it ended, because the process that it was forked from is gone.
    """

    exit_code: int
    timed_out: bool = False
    stopped: bool = False
    is_lost: bool = False


@dataclass(frozen=True, kw_only=True)
class ProcessRequest:
    """A command with everything that it needs; `timeout_s` counts from its start."""

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    timeout_s: float | None
    kill_grace_s: float


class RunningProcess(Protocol):
    """A process with a group of its own; the members are those of subprocess.Popen, and two more.

    `is_lost` is ProcessResult's. `is_kept` when it waits for another command, so that its group has to stay.
    """

    @property
    def pid(self) -> int: ...
    @property
    def stdout(self) -> IO[bytes] | None: ...
    @property
    def is_lost(self) -> bool: ...
    @property
    def is_kept(self) -> bool: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class _ColdProcess(subprocess.Popen[bytes]):
    is_lost = False
    is_kept = False


def start_cold(request: ProcessRequest) -> RunningProcess:
    """Starts a command as a process of its own; raises CommandNotStarted."""
    try:
        return _ColdProcess(
            request.command,
            env=request.environment,
            cwd=request.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise CommandNotStarted(f'exec: "{request.command[0]}": executable file not found in $PATH', 127) from error
    except OSError as error:
        raise CommandNotStarted(f'exec: "{request.command[0]}": {error.strerror}', 126) from error


def run_process(
    request: ProcessRequest,
    *,
    on_started: Callable[[], None],
    on_output: Callable[[bytes], None],
    on_tick: Callable[[], None],
    should_stop: Callable[[], bool],
    start: Callable[[ProcessRequest], RunningProcess] = start_cold,
) -> ProcessResult:
    """Runs a command to its end, or ends it: SIGTERM to its group at the timeout or stop, SIGKILL after the grace.

    Its stdout and stderr go to `on_output` in one order; `on_tick` is called now and then. When the command ends, what
    is left of its group is killed, as the end of a container would.

    Raises CommandNotStarted.
    """
    with start(request) as process:
        watch = _Watch(process, request, should_stop)
        output = _Output(process.stdout, on_output)
        try:
            on_started()
            while watch.is_running():
                if output.is_open:
                    output.read(_TICK_S)
                else:
                    watch.sleep(_TICK_S)
                on_tick()
                watch.end_if_due()
        finally:
            if not process.is_kept:
                _signal_group(process, signal.SIGKILL)
            exit_code = process.wait()
        output.drain()
        exit_code = exit_code if exit_code >= 0 else 128 - exit_code
        return ProcessResult(exit_code, watch.timed_out, watch.stopped, process.is_lost)


class _Watch:
    """Knows when a process has to end, and ends it."""

    def __init__(self, process: RunningProcess, request: ProcessRequest, should_stop: Callable[[], bool]) -> None:
        self._process = process
        self._should_stop = should_stop
        self._kill_grace_s = request.kill_grace_s
        self._deadline = None if request.timeout_s is None else time.monotonic() + request.timeout_s
        self._kill_at: float | None = None
        self.timed_out = False
        self.stopped = False

    def is_running(self) -> bool:
        return self._process.poll() is None

    def sleep(self, seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def end_if_due(self) -> None:
        now = time.monotonic()
        if self._kill_at is not None:
            if now >= self._kill_at:
                _signal_group(self._process, signal.SIGKILL)
            return
        self.stopped = self._should_stop()
        self.timed_out = not self.stopped and self._deadline is not None and now >= self._deadline
        if not (self.stopped or self.timed_out):
            return
        if self._process.poll() is not None:
            # It ended by itself in the same moment; that end counts.
            self.stopped = self.timed_out = False
            return
        _signal_group(self._process, signal.SIGTERM)
        self._kill_at = now + self._kill_grace_s


class _Output:
    """Reads a pipe without blocking for long."""

    def __init__(self, pipe: IO[bytes] | None, on_output: Callable[[bytes], None]) -> None:
        if pipe is None:
            raise ValueError("the process has no output pipe")
        self._pipe = pipe
        self._on_output = on_output
        self._selector = selectors.DefaultSelector()
        self._selector.register(pipe, selectors.EVENT_READ)
        self.is_open = True

    def read(self, timeout_s: float) -> bool:
        """Hands over what comes within the time; False when nothing came."""
        if not self._selector.select(timeout_s):
            return False
        data = os.read(self._pipe.fileno(), _READ_BYTES)
        if data:
            self._on_output(data)
        else:
            self.close()
        return True

    def drain(self) -> None:
        """Hands over what is left; gives up on a pipe that somebody keeps open."""
        give_up_at = time.monotonic() + _DRAIN_S
        while self.is_open and time.monotonic() < give_up_at and self.read(_TICK_S):
            pass
        self.close()

    def close(self) -> None:
        if self.is_open:
            self.is_open = False
            self._selector.close()
            self._pipe.close()


def _signal_group(process: RunningProcess, number: signal.Signals) -> None:
    """Signals the group, which exists as long as one process of it does.

    Its id cannot belong to somebody else in the moments after its leader was reaped: process ids are handed out in
    rising order.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
