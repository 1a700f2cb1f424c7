"""Decides which jobs are forked from a warm process instead of started cold, and keeps the servers that fork them."""

import logging
import re
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hpc.local.batch.process import ProcessRequest, RunningProcess, start_cold
from hpc.local.batch.warm_client import IDLE_S, WarmServer, WarmServerRefused, WarmStartFailed
from hpc.local.job_code import code_digest, outside

_LOG = logging.getLogger(__name__)

_PYTHON = re.compile(r"python(3(\.\d+)?)?")
#: Variables that are used before the first import, or by C code whose reading cannot be seen. Jobs that differ in one
#: of them have servers of their own.
_FROM_THE_START = re.compile(
    r"(DYLD_|GLIBC_|GOTO_|KMP_|LANG|LC_|LD_|MALLOC_|MKL_|OMP_|OPENBLAS_|OPENSSL_|PYTHON|SSL_|TZ).*"
)
#: A module that cannot be forked is tried again after so long: the machine's load or memory may have been the cause.
_COLD_FOR_S = 60.0

#: Interpreter as it was found and named, image, digest of its code, variables `_FROM_THE_START`.
_Key = tuple[str, str, str, str, tuple[tuple[str, str], ...]]


@dataclass
class _Place:
    """Where a server is, or when one may be tried again; `lock` lets one thread start it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    server: WarmServer | None = None
    cold_until: float = 0.0


class WarmStarter:
    """Starts jobs' processes, forked where that makes no difference. Safe to call from many threads."""

    def __init__(self, jobs_dir: Path, *, idle_s: float = IDLE_S) -> None:
        self._jobs_dir = jobs_dir
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._places: dict[_Key, _Place] = {}
        self._is_closed = False

    def for_image(self, image: str | None) -> Callable[[ProcessRequest], RunningProcess]:
        """What starts the processes of an image's folder; raises CommandNotStarted."""
        return lambda request: self._start(request, image)

    def _start(self, request: ProcessRequest, image: str | None) -> RunningProcess:
        key = self._key(request, image)
        if key is not None:
            place = self._place(key)
            for _ in range(2):  # a server that has ended since the last job costs a second try
                server = self._server(place, key, request)
                if server is None:
                    break
                if (name := server.differs_in(request)) is not None:
                    _LOG.info("a job of %s is started cold: its imports read %s, which is the job's own", image, name)
                    break
                try:
                    return server.start(request)
                except WarmStartFailed as error:
                    _LOG.info("%s was not forked: %s", image, error)
        return start_cold(request)

    def close(self) -> None:
        """Ends all servers, and the processes that they have forked."""
        with self._lock:
            self._is_closed = True
            places, self._places = list(self._places.values()), {}
        for place in places:
            with place.lock:
                if place.server is not None:
                    place.server.close()
                place.server = None

    def _key(self, request: ProcessRequest, image: str | None) -> _Key | None:
        """What a server's jobs have in common; None for a command that is started cold."""
        name, *rest = request.command
        if image is None or not _PYTHON.fullmatch(name) or rest[:2] != ["-m", image]:
            return None
        python = shutil.which(name, path=request.environment.get("PATH"))
        if python is None or not (self._jobs_dir / image / "__main__.py").is_file():
            return None
        from_the_start = sorted(item for item in request.environment.items() if _FROM_THE_START.fullmatch(item[0]))
        return python, name, image, code_digest(self._jobs_dir, image), tuple(from_the_start)

    def _place(self, key: _Key) -> _Place:
        with self._lock:
            if key not in self._places:
                self._forget_ended()
                self._places[key] = _Place()
            return self._places[key]

    def _forget_ended(self) -> None:
        """Those of code that was changed end by themselves when nobody has asked for a while."""
        for key, place in list(self._places.items()):
            if place.server is not None and place.server.has_ended():
                place.server.close()
                del self._places[key]

    def _server(self, place: _Place, key: _Key, request: ProcessRequest) -> WarmServer | None:
        """The place's server, started if there is none; None when jobs have to be started cold for now."""
        with place.lock:
            if place.server is not None and not place.server.has_ended():
                return place.server
            if place.server is not None:
                place.server.close()
                place.server = None
            if self._is_closed or time.monotonic() < place.cold_until:
                return None
            image = key[2]
            try:
                server = WarmServer(request, idle_s=self._idle_s)
            except (WarmServerRefused, WarmStartFailed, OSError) as error:
                self._stay_cold(place, image, str(error))
                return None
            if foreign := outside(self._jobs_dir, image, server.files):
                server.close()
                self._stay_cold(place, image, f"it imports {foreign[0]}, which its Dockerfile does not copy")
                return None
            if self._key(request, image) != key:  # the code was changed while it was imported
                server.close()
                return None
            place.server = server
            return server

    def _stay_cold(self, place: _Place, image: str, reason: str) -> None:
        place.cold_until = time.monotonic() + _COLD_FOR_S
        _LOG.warning("%s is started cold for %d s: %s", image, _COLD_FOR_S, reason)
