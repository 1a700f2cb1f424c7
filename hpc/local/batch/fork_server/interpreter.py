"""The end of `python -m <module>`, and its beginning, in a process that goes on or was there before."""

import atexit
import builtins
import os
import runpy
import signal
import sys
import threading
import traceback
import types
from pathlib import Path
from typing import Any, cast

_HERE = Path(__file__).parent
_FLUSH_FAILED = 120  # the interpreter's when stdout cannot be flushed at its end


def called_as_main(module: str) -> int | None:
    """Does what `python -m <module>` does until the module has ended; the exit code, None after Ctrl-C.

    Ctrl-C ends a process by its signal, see `finished`.
    """
    return _called(lambda: runpy._run_module_as_main(module))  # type: ignore[attr-defined]


def finished(status: int | None) -> int:
    """Does what the interpreter does when a module has ended so (see `called_as_main`); returns the exit code.

    Like multiprocessing's forks it ends without taking the interpreter apart: threads have been waited for, exit
    handlers have run and the streams are flushed, so that nothing of the job is left to do.
    """
    interrupted = status is None
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if not (flushed(sys.stdout) and flushed(sys.stderr, is_told=False)):
        status = _FLUSH_FAILED
    for first in (sys.__stdout__, sys.__stderr__):  # a job may have put others in their places
        flushed(first, is_told=False)
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return cast(int, status) & 0xFF


def flushed(stream: Any, *, is_told: bool = True) -> bool:
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


def new_main() -> types.ModuleType:
    """A `__main__` as an interpreter makes it, in place of this file's."""
    made = types.ModuleType("__main__")
    made.__dict__["__builtins__"] = builtins
    if "__annotations__" in vars(sys.modules["__main__"]):  # up to Python 3.13
        made.__annotations__ = {}
    return made


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
        while trace is not None and Path(trace.tb_frame.f_code.co_filename).parent == _HERE:
            trace = trace.tb_next
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        return None if isinstance(error, KeyboardInterrupt) else 1
    return 0
