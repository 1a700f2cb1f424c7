"""Imports what a job imports, once, and forks a process for each job.

`warm_client` starts `python warm_server.py <socket> <module> <seconds>` with the interpreter and the variables of the
job that came first, without its keys. Each process does what `python -m <module>` does from its first import on. Only
the standard library is used: whatever this file imports is there in every job, too.
"""

import ast
import atexit
import builtins
import contextlib
import ctypes
import gc
import importlib
import importlib.util
import json
import os
import runpy
import select
import signal
import socket
import struct
import sys
import threading
import traceback
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, cast

#: What a job's process and its server tell of it: started with this process id, ended with this exit code (of
#: subprocess's kind: negative for a signal).
REPORT = struct.Struct("!ci")
STARTED, ENDED = b"s", b"e"
LENGTH = struct.Struct("!I")
#: The variable that a job's strays are found by (see `strays`), and the room for its value in the memory that
#: /proc/<pid>/environ shows.
JOB_ID = "AWS_BATCH_JOB_ID"
JOB_ID_ROOM = 128
#: Stands for the whole environment among the names of variables.
_ALL = "*"
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_SETUP_FAILED = 126  # the shell's for a command that cannot be run
_FLUSH_FAILED = 120  # the interpreter's when stdout cannot be flushed at its end


def main(control: socket.socket, module: str, idle_s: float) -> None:
    """Serves until the platform's end of `control` is closed or nobody has asked for `idle_s` seconds."""
    server = _Server(control, module, idle_s)
    try:
        read = import_dependencies(module)
    except BaseException as error:  # noqa: BLE001 (whatever the imports raise: the cold command will tell it)
        _send(control, {"refused": f"its imports fail: {type(error).__name__}: {error}"})
        return
    if refusal := _refusal(read):
        _send(control, {"refused": refusal})
        return
    gc.collect()
    gc.disable()
    gc.freeze()  # a collection in a fork would touch, and so copy, every page with an object
    _send(control, {"read": read, "files": _imported_files()})
    server.serve()


def import_dependencies(module: str) -> dict[str, str | None]:
    """Runs the import statements of a module's `__main__`, and nothing else of it; then `hpc_job` warms itself.

    Returns the variables that were used meanwhile with what was found: a process with others must not be a fork.
    """
    with _noted_uses() as read:
        spec = importlib.util.find_spec(f"{module}.__main__")
        if spec is None or spec.origin is None:
            raise ImportError(f"no module named {module}.__main__")
        tree = ast.parse(Path(spec.origin).read_bytes())
        tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {"__name__": spec.name, "__package__": module, "__file__": spec.origin, "__spec__": spec}
        exec(compile(tree, spec.origin, "exec"), names)  # noqa: S102 (the job's own imports, as the job would run them)
    if "hpc_job.s3" in sys.modules and importlib.util.find_spec("hpc_job.warm"):
        importlib.import_module("hpc_job.warm").up(os.environ)
    return read


class _Server:
    """The jobs that run, each with its pipe for reports."""

    def __init__(self, control: socket.socket, module: str, idle_s: float) -> None:
        self._control = control
        self._module = module
        self._idle_s = idle_s
        self._jobs: dict[int, int] = {}
        self._shown_job_id = _ShownVariable(JOB_ID, JOB_ID_ROOM)
        self._libc = ctypes.CDLL(None)
        self._pid = os.getpid()

    def serve(self) -> None:
        wakeup, self._wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        os.set_blocking(self._wakeup, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        try:
            while True:
                timeout = None if self._jobs else self._idle_s
                sources: list[Any] = [self._control, wakeup]
                ready, _, _ = select.select(sources, [], [], timeout)
                if not ready:
                    return
                if wakeup in ready:
                    os.read(wakeup, 4096)
                    self._report_ended()
                if self._control in ready and not self._fork():
                    return
        finally:
            for pid in self._jobs:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)

    def _report_ended(self) -> None:
        while self._jobs:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if (reports := self._jobs.pop(pid, None)) is not None:
                _report(reports, ENDED, os.waitstatus_to_exitcode(status))
                os.close(reports)

    def _fork(self) -> bool:
        """Takes one request and forks its process; False when the platform is gone."""
        header, descriptors, _, _ = socket.recv_fds(self._control, LENGTH.size, 2)
        if not header:
            return False
        [length] = LENGTH.unpack(header)
        request = json.loads(self._control.recv(length, socket.MSG_WAITALL))
        output, reports = descriptors
        try:
            pid = os.fork()
        except OSError:  # no memory, or too many processes: this job has to find another way
            os.close(output)
            _report(reports, ENDED, _SETUP_FAILED)
            os.close(reports)
            return True
        if pid == 0:
            _Child(self._module, request, output, reports).run(self._before_job)
        os.close(output)
        self._jobs[pid] = reports
        return True

    def _before_job(self, request: dict[str, Any]) -> None:
        """What only a fork needs: signals back as they were, an end with its server, a name that it is found by."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if sys.platform == "linux":  # elsewhere the server's own end has to do
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != self._pid:  # it died before it could be asked for
                os._exit(128 + signal.SIGKILL)
        self._shown_job_id.set(request["environment"].get(JOB_ID, ""))


class _Child:
    """A process that becomes the job's; never returns from `run`."""

    def __init__(self, module: str, request: dict[str, Any], output: int, reports: int) -> None:
        self._module = module
        self._request = request
        self._output = output
        self._reports = reports

    def run(self, prepare: Any) -> NoReturn:
        status = _SETUP_FAILED
        try:
            self._become(prepare)
            status = run_as_main(self._module)
        except BaseException:  # noqa: BLE001 (nothing may return into the server's loop)
            traceback.print_exc()
        finally:
            os._exit(status)

    def _become(self, prepare: Any) -> None:
        os.setsid()
        os.dup2(self._output, 1)
        os.dup2(self._output, 2)
        reports = os.dup2(self._reports, 3, inheritable=False)
        os.closerange(4, max(self._output, self._reports, *_open_descriptors()) + 1)
        prepare(self._request)
        os.chdir(self._request["folder"])
        os.environ.clear()
        os.environ.update(self._request["environment"])
        command = self._request["command"]
        sys.orig_argv = list(command)
        sys.argv = command[1:2] + command[3:]
        sys.path.insert(0, os.getcwd())  # noqa: PTH109 (as the interpreter does for -m)
        sys.modules["__main__"] = _new_main()
        gc.enable()
        _report(reports, STARTED, os.getpid())
        os.close(reports)


def _new_main() -> types.ModuleType:
    """A `__main__` as an interpreter makes it, in place of this file's."""
    made = types.ModuleType("__main__")
    made.__dict__["__builtins__"] = builtins
    if "__annotations__" in globals():  # up to Python 3.13
        made.__annotations__ = {}
    return made


def run_as_main(module: str) -> int:
    """Does what `python -m <module>` does from here to its end; returns the exit code.

    Like multiprocessing's forks it ends without taking the interpreter apart: threads have been waited for, exit
    handlers have run and the streams are flushed, so that nothing of the job is left to do.
    """
    status = _called(lambda: runpy._run_module_as_main(module))  # type: ignore[attr-defined]
    interrupted = status is None
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if not (_flushed(sys.stdout) and _flushed(sys.stderr, is_told=False)):
        status = _FLUSH_FAILED
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return cast(int, status) & 0xFF


def _flushed(stream: Any, *, is_told: bool = True) -> bool:
    """False when the last of the output is lost, and says so as the interpreter does at its end."""
    try:
        if stream is not None and not stream.closed:
            stream.flush()
    except BaseException as error:  # noqa: BLE001 (as the interpreter does: any failure counts)
        if is_told:
            print(
                f"Exception ignored in: {stream!r}",
                *traceback.format_exception_only(error),
                sep="\n",
                end="",
                file=sys.stderr,
            )
        return False
    return True


def _called(call: Any) -> int | None:
    """The exit code of a call, as the interpreter makes it; None after Ctrl-C, which ends a process by its signal."""
    try:
        call()
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except BaseException as error:  # noqa: BLE001 (the end of a process: whatever it is gets told)
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        return None if isinstance(error, KeyboardInterrupt) else 1
    return 0


class _ShownVariable:
    """A variable as /proc/<pid>/environ shows it: the memory that the process was started with, not its environment.

    A fork has its server's; so that a job's processes are found by their job's id, it is written there. Does nothing
    where there is no /proc.
    """

    def __init__(self, name: str, room: int) -> None:
        self._room = room
        self._address = 0
        with contextlib.suppress(OSError, ValueError):
            fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
            start = int(fields[47])  # env_start, the 50th of proc(5)
            marker = f"{name}={'0' * room}\0".encode()
            self._address = start + Path("/proc/self/environ").read_bytes().index(marker) + len(name) + 1

    def set(self, value: str) -> None:
        if self._address:
            ctypes.memmove(self._address, os.fsencode(value)[: self._room].ljust(self._room, b"\0"), self._room)


@contextlib.contextmanager
def _noted_uses() -> Iterator[dict[str, str | None]]:
    """Notes which variables are read, and what was found; changes and going through all of them are noted as `*`."""
    read: dict[str, str | None] = {}
    plain = type(os.environ)

    class Noting(plain):  # type: ignore[valid-type, misc]
        def __getitem__(self, name: str) -> str:
            read[name] = None
            read[name] = found = super().__getitem__(name)
            return cast(str, found)

        def __iter__(self) -> Iterator[str]:
            read[_ALL] = "read"
            return cast(Iterator[str], super().__iter__())

        def __setitem__(self, name: str, value: str) -> None:
            read[_ALL] = "changed"
            super().__setitem__(name, value)

        def __delitem__(self, name: str) -> None:
            read[_ALL] = "changed"
            super().__delitem__(name)

    os.environ.__class__ = Noting
    try:
        yield read
    finally:
        os.environ.__class__ = plain


def _imported_files() -> list[str]:
    """The modules that come from the jobs' own folder, not from the interpreter's packages."""
    folders = tuple(f"{folder}/" for folder in os.environ.get("PYTHONPATH", "").split(":") if folder)
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return [file for file in files if file is not None and file.startswith(folders)]


def _refusal(read: dict[str, str | None]) -> str | None:
    """Why what was imported cannot be forked; None when it can be."""
    tasks = Path("/proc/self/task")
    if (len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()) > 1:
        return "its imports start threads, which a fork does not have"
    if _ALL in read:
        return f"its imports have {read[_ALL]} the whole environment, which is each job's own"
    return None


def _open_descriptors() -> list[int]:
    return [int(name) for name in os.listdir("/dev/fd")]  # noqa: PTH208 (names, without a path made of each)


def _report(descriptor: int, kind: bytes, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody waits for this job any more
        os.write(descriptor, REPORT.pack(kind, number))


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    text = json.dumps(message).encode()
    control.sendall(LENGTH.pack(len(text)) + text)


if __name__ == "__main__":
    sys.path.pop(0)  # this file's folder: nothing of the platform can be imported by jobs
    os.environ.pop(JOB_ID, None)  # it only made room, see _ShownVariable
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], float(sys.argv[3]))
