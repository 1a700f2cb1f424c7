"""The platform's side of a fork server: starts it, asks it for processes, and notices when it is gone."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from hpc.local.batch import fork_server
from hpc.local.batch.fork_server.shown_variable import JOB_ID, JOB_ID_ROOM
from hpc.local.batch.fork_server.wire import ENDED, KEPT, LENGTH, REPORT, send
from hpc.local.batch.process import ProcessRequest

#: Imports take half a second, on a busy machine a few; a fork takes milliseconds. Beyond it the server hangs.
_START_TIMEOUT_S = 60.0
_FORK_TIMEOUT_S = 30.0
_END_TIMEOUT_S = 1.0
#: A server that nobody asks for so long ends: it holds about 50 MB, and the next one takes half a second to start.
IDLE_S = 300.0
#: Never given to a server: a fork gets those of its own job.
_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


class WarmServerRefused(Exception):
    """What a module imports cannot be forked; the text says why."""


class WarmStartFailed(Exception):
    """There is no process, and nothing of the job has run."""


class WarmServerGone(WarmStartFailed):
    """The server has ended, or did not answer and was ended."""


class WarmServer:
    """One server for one interpreter and one module. Safe to call from many threads."""

    def __init__(self, request: ProcessRequest, *, idle_s: float) -> None:
        """Starts it with the command and the variables of a job; raises WarmServerRefused or WarmServerGone."""
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    request.command[0],
                    str(Path(fork_server.__file__).with_name("__main__.py")),
                    str(theirs.fileno()),
                    request.command[2],
                    str(idle_s),
                ],
                env=_server_environment(request.environment),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        try:
            message = self._first_message()
            # Before all imports the interpreter has looked for packages below HOME.
            self._read: dict[str, str | None] = {"HOME": request.environment.get("HOME")} | message["read"]
            #: The modules of the jobs' folder that have been imported.
            self.files = [Path(file) for file in message["files"]]
        except BaseException:
            self.close()
            raise

    def differs_in(self, request: ProcessRequest) -> str | None:
        """The first variable that would have shown the imports something else; None when the job may be forked."""
        for name, found in self._read.items():
            if request.environment.get(name) != found:
                return name
        return None

    def start(self, request: ProcessRequest) -> "WarmProcess":
        """Forks a process; raises WarmStartFailed."""
        message = {
            "command": list(request.command),
            "environment": dict(request.environment),
            "folder": str(request.folder),
        }
        output, output_end = os.pipe()
        reports, reports_end = os.pipe()
        process = WarmProcess(output, reports, self._release)
        try:
            try:
                self._send(json.dumps(message).encode(), [output_end, reports_end])
            finally:
                os.close(output_end)
                os.close(reports_end)
            process.wait_for_start(_FORK_TIMEOUT_S)
        except OSError as error:
            process.close()
            self.close()
            raise WarmServerGone(f"process {self._process.pid}: {error}") from error
        except WarmStartFailed:
            process.close()
            raise
        return process

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def close(self) -> None:
        """Ends the server and the processes that it has forked."""
        self._control.close()  # it sees that at once, unless it hangs
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _send(self, text: bytes, descriptors: Sequence[int] = ()) -> None:
        with self._lock:
            self._control.settimeout(_FORK_TIMEOUT_S)
            send(self._control, text, descriptors)

    def _release(self, pid: int) -> None:
        """Gives a process that was kept to the image's next job; nobody signals or waits for it any more."""
        with contextlib.suppress(OSError):  # the server is gone, and the process with it
            self._send(str(pid).encode())

    def _first_message(self) -> dict[str, Any]:
        self._control.settimeout(_START_TIMEOUT_S)
        try:
            header = self._control.recv(LENGTH.size, socket.MSG_WAITALL)
            if len(header) < LENGTH.size:
                raise WarmServerGone("it ended before it was ready")
            message = json.loads(self._control.recv(LENGTH.unpack(header)[0], socket.MSG_WAITALL))
        except OSError as error:
            raise WarmServerGone(f"it did not get ready: {error}") from error
        if "refused" in message:
            raise WarmServerRefused(message["refused"])
        return dict(message)


class WarmProcess:
    """A forked process, with what `run_process` needs of subprocess.Popen.

    `is_lost` when its server ended before it: how it ended cannot be known. `is_kept` when its job has ended and the
    process is kept for another one, which it gets when this object is closed.
    """

    def __init__(self, output: int, reports: int, release: Callable[[int], None]) -> None:
        self.stdout: IO[bytes] | None = os.fdopen(output, "rb", buffering=0)
        self.is_lost = False
        self.is_kept = False
        self._release = release
        self._reports = os.fdopen(reports, "rb", buffering=0)
        self._pid: int | None = None
        self._exit_code: int | None = None

    @property
    def pid(self) -> int:
        """Its process id, which is that of its group, too."""
        if self._pid is None:
            raise ValueError("the process has not begun")
        return self._pid

    def wait_for_start(self, timeout_s: float) -> None:
        """Raises OSError when the server is gone, and WarmStartFailed when only this process could not begin."""
        report = self._next_report(timeout_s)
        if report is None:
            raise OSError(f"no process within {timeout_s:g} s")
        if not report:
            raise OSError("the server has ended")
        kind, number = REPORT.unpack(report)
        if kind == ENDED:
            raise WarmStartFailed(f"a process ended with exit code {number} before its job began")
        self._pid = number

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self._exit_code

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code as subprocess has it; raises TimeoutExpired."""
        if self._exit_code is None:
            report = self._next_report(timeout)
            if report is None:
                raise subprocess.TimeoutExpired("warm process", timeout or 0)
            self.is_lost = not report
            # A process does not outlive its server: the kernel kills it, or the caller its group.
            kind, self._exit_code = REPORT.unpack(report) if report else (ENDED, -signal.SIGKILL)
            self.is_kept = kind == KEPT
        return self._exit_code

    def close(self) -> None:
        if self.is_kept and not self._reports.closed:
            self._release(self.pid)
        self._reports.close()
        if self.stdout is not None:
            self.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _next_report(self, timeout_s: float | None) -> bytes | None:
        """None when the time is over, nothing when no report will come any more."""
        poll = select.poll()
        poll.register(self._reports, select.POLLIN)
        if not poll.poll(None if timeout_s is None else timeout_s * 1000):
            return None
        return self._reports.read(REPORT.size)


def _server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    shared = {name: value for name, value in environment.items() if name not in _SECRETS}
    return shared | {JOB_ID: "0" * JOB_ID_ROOM}
