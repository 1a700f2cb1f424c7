"""What a process that is kept has again before its next job."""

import atexit
import os
import signal
import sys
import threading
import weakref

from .interpreter import flushed


class Surroundings:
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
            and flushed(sys.stdout, is_told=False)
            and flushed(sys.stderr, is_told=False)
        )

    def restore(self) -> None:
        """Gives the process back what it had; its streams lead nowhere until the next job has come."""
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
