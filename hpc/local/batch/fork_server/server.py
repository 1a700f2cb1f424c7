"""The server: one interpreter that has imported one module, and the processes that it forks."""

import contextlib
import ctypes
import gc
import json
import os
import select
import signal
import socket
import sys
from typing import Any, cast

from .imports import import_dependencies, imported_files, refusal
from .job_process import SETUP_FAILED, JobProcess
from .shown_variable import JOB_ID, JOB_ID_ROOM, ShownVariable
from .wire import ENDED, received, report, send

#: What an image says in its package of itself: a job of it leaves nothing in its process that another one would see.
KEEPS_NO_STATE = "KEEPS_NO_STATE"
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(control: socket.socket, module: str, idle_s: float) -> None:
    """Serves until the platform's end of `control` is closed or nobody has asked for `idle_s` seconds."""
    server = _Server(control, module, idle_s)
    try:
        read = import_dependencies(module)
    except BaseException as error:  # noqa: BLE001 (whatever the imports raise: the cold command will tell it)
        _tell(control, {"refused": f"its imports fail: {type(error).__name__}: {error}"})
        return
    if why_not := refusal(read):
        _tell(control, {"refused": why_not})
        return
    gc.collect()
    gc.disable()
    gc.freeze()  # a collection in a fork would touch, and so copy, every page with an object
    _tell(control, {"read": read, "files": imported_files()})
    server.serve()


class _Server:
    """The processes of jobs: those that have one, each with its pipe for reports, and those kept for the next one."""

    def __init__(self, control: socket.socket, module: str, idle_s: float) -> None:
        self._control = control
        self._module = module
        self._idle_s = idle_s
        self._reports: dict[int, int] = {}
        self._processes: dict[int, socket.socket | None] = {}
        self._kept: list[int] = []
        self._keeps_processes = False
        self._shown_job_id = ShownVariable(JOB_ID, JOB_ID_ROOM)
        self._libc = ctypes.CDLL(None)
        self._pid = os.getpid()

    def serve(self) -> None:
        self._keeps_processes = getattr(sys.modules.get(self._module), KEEPS_NO_STATE, False) is True
        wakeup, self._wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        os.set_blocking(self._wakeup, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        try:
            while True:
                timeout = None if self._reports else self._idle_s
                sources: list[Any] = [self._control, wakeup]
                ready, _, _ = select.select(sources, [], [], timeout)
                if not ready:
                    return
                if wakeup in ready:
                    os.read(wakeup, 4096)
                    self._report_ended()
                if self._control in ready and not self._take_message():
                    return
        finally:
            for pid in self._processes:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)

    def _report_ended(self) -> None:
        while self._processes:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if requests := self._processes.pop(pid, None):
                requests.close()
            if pid in self._kept:
                self._kept.remove(pid)
            if (reports := self._reports.pop(pid, None)) is not None:
                report(reports, ENDED, os.waitstatus_to_exitcode(status))
                os.close(reports)

    def _take_message(self) -> bool:
        """A job with its descriptors, or the id of a kept process that may get another job.

        False when the platform is gone.
        """
        message = received(self._control)
        if message is None:
            return False
        payload, descriptors = message
        if descriptors:
            self._start(payload, *descriptors)
        elif (pid := int(payload)) in self._processes:
            os.close(self._reports.pop(pid))
            self._kept.append(pid)
        return True

    def _start(self, payload: bytes, output: int, reports: int) -> None:
        """Has a job done by a process that was kept, or by a new one."""
        pid = self._handed_on(payload, output, reports) or self._forked(payload, output, reports)
        os.close(output)
        if pid is None:  # this job has to find another way
            report(reports, ENDED, SETUP_FAILED)
            os.close(reports)
        else:
            self._reports[pid] = reports

    def _handed_on(self, payload: bytes, output: int, reports: int) -> int | None:
        while self._kept:
            pid = self._kept.pop()
            with contextlib.suppress(OSError):  # it was killed a moment ago
                send(cast(socket.socket, self._processes[pid]), payload, [output, reports])
                return pid
        return None

    def _forked(self, payload: bytes, output: int, reports: int) -> int | None:
        """None without memory, or with too many processes."""
        ours, theirs = socket.socketpair() if self._keeps_processes else (None, None)
        try:
            pid = os.fork()
        except OSError:
            pid = -1
        if pid == 0:
            JobProcess(self._module, theirs, self._shown_job_id).run(self._become_own, payload, output, reports)
        if theirs:
            theirs.close()
        if pid < 0:
            if ours:
                ours.close()
            return None
        self._processes[pid] = ours
        return pid

    def _become_own(self) -> None:
        """What only a fork needs: signals back as they were, an end with its server."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        if sys.platform == "linux":  # elsewhere the server's own end has to do
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != self._pid:  # it died before it could be asked for
                os._exit(128 + signal.SIGKILL)


def _tell(control: socket.socket, message: dict[str, Any]) -> None:
    send(control, json.dumps(message).encode())
