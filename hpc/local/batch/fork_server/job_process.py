"""A process that is forked for a job."""

import contextlib
import gc
import json
import os
import socket
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from .interpreter import called_as_main, finished, new_main
from .shown_variable import JOB_ID, ShownVariable
from .surroundings import Surroundings
from .wire import KEPT, STARTED, received, report

#: Then the process ends as others do, and whatever has gathered in it.
JOBS_OF_A_PROCESS = 200
SETUP_FAILED = 126  # the shell's for a command that cannot be run


class JobProcess:
    """A process that becomes a job's, and then perhaps the next one's; never returns from `run`.

    `requests` brings further jobs; None for one job only.
    """

    def __init__(self, module: str, requests: socket.socket | None, shown_job_id: ShownVariable) -> None:
        self._module = module
        self._requests = requests
        self._shown_job_id = shown_job_id

    def run(self, prepare: Callable[[], None], payload: bytes, output: int, reports: int) -> NoReturn:
        status = SETUP_FAILED
        try:
            prepare()
            kept = {output, reports} | ({self._requests.fileno()} if self._requests else set())
            for descriptor in _open_descriptors():
                if descriptor > 2 and descriptor not in kept:
                    with contextlib.suppress(OSError):  # the one that listed them
                        os.close(descriptor)
            status = self._do_jobs(payload, output, reports)
        except BaseException:  # noqa: BLE001 (nothing may return into the server's loop)
            traceback.print_exc()
        finally:
            os._exit(status)

    def _do_jobs(self, payload: bytes, output: int, reports: int) -> int:
        """The exit code of the last one."""
        if self._requests is None:
            return self._do_last(payload, output, reports)
        before = Surroundings()
        for _ in range(JOBS_OF_A_PROCESS - 1):
            self._become(json.loads(payload), output, reports)
            status = called_as_main(self._module)
            if status != 0 or not before.are_left_tidy():
                return finished(status)
            before.restore()
            self._shown_job_id.set("")
            report(reports, KEPT, status)
            os.close(reports)
            message = received(self._requests)
            if message is None:  # the server is gone
                return 0
            payload, (output, reports) = message
        return self._do_last(payload, output, reports)

    def _do_last(self, payload: bytes, output: int, reports: int) -> int:
        self._become(json.loads(payload), output, reports)
        return finished(called_as_main(self._module))

    def _become(self, request: dict[str, Any], output: int, reports: int) -> None:
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        self._shown_job_id.set(request["environment"].get(JOB_ID, ""))
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        command = request["command"]
        sys.orig_argv = list(command)
        sys.argv = command[1:2] + command[3:]
        sys.path.insert(0, os.getcwd())  # noqa: PTH109 (as the interpreter does for -m)
        sys.modules["__main__"] = new_main()
        gc.enable()
        report(reports, STARTED, os.getpid())
        if self._requests is None:
            os.close(reports)
        else:
            os.set_inheritable(reports, False)


def _open_descriptors() -> list[int]:
    return [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208 (names, without a path made of each)
