"""Imports what a job imports, once, and forks a process for each job, or for many of an image that keeps no state.

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
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

#: What a job's process and its server tell of it: started with this process id, ended with this exit code (of
#: subprocess's kind: negative for a signal); or ended with it while the process is kept for the image's next job.
REPORT = struct.Struct("!ci")
STARTED, ENDED, KEPT = b"s", b"e", b"k"
#: What an image says in its package of itself: a job of it leaves nothing in its process that another one would see.
KEEPS_NO_STATE = "KEEPS_NO_STATE"
#: Then the process ends as others do, and whatever has gathered in it.
JOBS_OF_A_PROCESS = 200
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
        _tell(control, {"refused": f"its imports fail: {type(error).__name__}: {error}"})
        return
    if refusal := _refusal(read):
        _tell(control, {"refused": refusal})
        return
    gc.collect()
    gc.disable()
    gc.freeze()  # a collection in a fork would touch, and so copy, every page with an object
    _tell(control, {"read": read, "files": _imported_files()})
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
    """The processes of jobs: those that have one, each with its pipe for reports, and those kept for the next one."""

    def __init__(self, control: socket.socket, module: str, idle_s: float) -> None:
        self._control = control
        self._module = module
        self._idle_s = idle_s
        self._reports: dict[int, int] = {}
        self._processes: dict[int, socket.socket | None] = {}
        self._kept: list[int] = []
        self._keeps_processes = False
        self._shown_job_id = _ShownVariable(JOB_ID, JOB_ID_ROOM)
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
                _report(reports, ENDED, os.waitstatus_to_exitcode(status))
                os.close(reports)

    def _take_message(self) -> bool:
        """A job with its descriptors, or the id of a kept process that may get another job.

        False when the platform is gone.
        """
        message = _received(self._control)
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
            _report(reports, ENDED, _SETUP_FAILED)
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
            _Process(self._module, theirs, self._shown_job_id).run(self._become_own, payload, output, reports)
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


class _Process:
    """A process that becomes a job's, and then perhaps the next one's; never returns from `run`.

    `requests` brings further jobs; None for one job only.
    """

    def __init__(self, module: str, requests: socket.socket | None, shown_job_id: "_ShownVariable") -> None:
        self._module = module
        self._requests = requests
        self._shown_job_id = shown_job_id

    def run(self, prepare: Any, payload: bytes, output: int, reports: int) -> NoReturn:
        status = _SETUP_FAILED
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
        before = _Surroundings()
        for _ in range(JOBS_OF_A_PROCESS - 1):
            self._become(json.loads(payload), output, reports)
            status = _called(lambda: runpy._run_module_as_main(self._module))  # type: ignore[attr-defined]
            if self._requests is None or status != 0 or not before.are_left_tidy():
                return finished(status)
            before.restore()
            self._shown_job_id.set("")
            _report(reports, KEPT, status)
            os.close(reports)
            message = _received(self._requests)
            if message is None:  # the server is gone
                return 0
            payload, (output, reports) = message
        self._become(json.loads(payload), output, reports)
        return run_as_main(self._module)

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
        sys.modules["__main__"] = _new_main()
        gc.enable()
        _report(reports, STARTED, os.getpid())
        if self._requests is None:
            os.close(reports)
        else:
            os.set_inheritable(reports, False)


class _Surroundings:
    """What a process had before its first job, and has again before the next."""

    def __init__(self) -> None:
        self._path = list(sys.path)
        self._streams = (sys.stdin, sys.stdout, sys.stderr)
        self._handlers = [(number, signal.getsignal(number)) for number in signal.valid_signals()]
        weakref.finalize(self, int).detach()  # the first one of a process registers an exit handler for all others
        self._exit_handlers = atexit._ncallbacks()
        self._umask = os.umask(0)
        os.umask(self._umask)

    def are_left_tidy(self) -> bool:
        """Whether a job has left nothing that would go on beside the next one, or be lost when the process goes on."""
        return (
            threading.active_count() == 1
            and _has_no_children()
            and atexit._ncallbacks() == self._exit_handlers
            and self._streams == (sys.stdin, sys.stdout, sys.stderr)
            and all(stream is None or not stream.closed for stream in self._streams)
            and _flushed(sys.stdout, is_told=False)
            and _flushed(sys.stderr, is_told=False)
        )

    def restore(self) -> None:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        os.close(nowhere)
        os.chdir("/")
        os.umask(self._umask)
        os.environ.clear()
        sys.path[:] = self._path
        for number, handler in self._handlers:
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        if "tempfile" in sys.modules:
            sys.modules["tempfile"].tempdir = None  # type: ignore[attr-defined]  # it is TMPDIR's, once it was asked


def _has_no_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def _new_main() -> types.ModuleType:
    """A `__main__` as an interpreter makes it, in place of this file's."""
    made = types.ModuleType("__main__")
    made.__dict__["__builtins__"] = builtins
    if "__annotations__" in globals():  # up to Python 3.13
        made.__annotations__ = {}
    return made


def run_as_main(module: str) -> int:
    """Does what `python -m <module>` does from here to its end; returns the exit code."""
    return finished(_called(lambda: runpy._run_module_as_main(module)))  # type: ignore[attr-defined]


def finished(status: int | None) -> int:
    """Does what the interpreter does when a module has ended so (see `_called`); returns the exit code.

    Like multiprocessing's forks it ends without taking the interpreter apart: threads have been waited for, exit
    handlers have run and the streams are flushed, so that nothing of the job is left to do.
    """
    interrupted = status is None
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if not (_flushed(sys.stdout) and _flushed(sys.stderr, is_told=False)):
        status = _FLUSH_FAILED
    for first in (sys.__stdout__, sys.__stderr__):  # a job may have put others in their places
        _flushed(first, is_told=False)
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


def _tell(control: socket.socket, message: dict[str, Any]) -> None:
    send(control, json.dumps(message).encode())


def send(receiver: socket.socket, payload: bytes, descriptors: Sequence[int] = ()) -> None:
    """Sends a message that `_received` takes."""
    if descriptors:
        socket.send_fds(receiver, [LENGTH.pack(len(payload))], descriptors)
        receiver.sendall(payload)
    else:
        receiver.sendall(LENGTH.pack(len(payload)) + payload)


def _received(sender: socket.socket) -> tuple[bytes, list[int]] | None:
    """A message and its descriptors; None when the sender has closed its end."""
    header, descriptors, _, _ = socket.recv_fds(sender, LENGTH.size, 2)
    if not header:
        return None
    [length] = LENGTH.unpack(header)
    return sender.recv(length, socket.MSG_WAITALL), descriptors


if __name__ == "__main__":
    sys.path.pop(0)  # this file's folder: nothing of the platform can be imported by jobs
    os.environ.pop(JOB_ID, None)  # it only made room, see _ShownVariable
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], float(sys.argv[3]))
