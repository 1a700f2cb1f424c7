"""Jobs of an image whose code each test writes, run forked or cold."""

import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hpc.local.batch.process import ProcessRequest, ProcessResult, RunningProcess, run_process
from hpc.local.batch.warm import WarmStarter
from hpc.local.batch.warm_client import WarmProcess

# What differs from process to process in texts of objects.
ADDRESS = re.compile(r"0x[0-9a-f]+")
# Prints all that a job can see of where it runs.
WHAT_IT_SEES = """
        import os, signal, stat, sys, resource, gc, threading
        print(__name__, __file__, __spec__.name, __package__, __builtins__.__name__, sorted(globals()))
        print(sys.argv, sys.orig_argv, sys.path, sys.executable, sys.flags, sys.warnoptions)
        print(sorted(os.environ.items()), os.getcwd(), os.umask(0o22))
        print(os.getpid() == os.getsid(0) == os.getpgid(0), sorted(os.listdir("/dev/fd")), os.read(0, 1), os.isatty(1))
        print({n: str(signal.getsignal(n)) for n in signal.valid_signals()}, signal.pthread_sigmask(0, []))
        print({n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT_")})
        print(sys.stdout.line_buffering, sys.stdout.encoding, sys.stdout.errors, sys.stderr.line_buffering)
        print(gc.isenabled(), gc.get_threshold(), threading.active_count(), threading.current_thread().name)
        print(sys.getswitchinterval(), sys.getrecursionlimit(), sys.modules["__main__"].__dict__ is globals())
        print([os.path.exists(name) for name in ("marker", "other")], stat.S_ISFIFO(os.fstat(1).st_mode))
    """

Start = Callable[[ProcessRequest], RunningProcess]


class Jobs:
    """A folder with one image, `work`, whose code each test writes."""

    def __init__(self, folder: Path) -> None:
        self.jobs_dir = folder / "BatchJob"
        self.scratch = folder / "scratch"
        (self.jobs_dir / "work").mkdir(parents=True)
        self.scratch.mkdir()
        self.warm = WarmStarter(self.jobs_dir)
        self.started: list[RunningProcess] = []

    def write(self, text: str, name: str = "__main__.py") -> None:
        (self.jobs_dir / "work" / name).write_text(text)

    def run(self, start: Start | None = None, *arguments: str, **more: Any) -> tuple[ProcessResult, str]:
        """Runs the module to its end, forked unless `start` says otherwise."""
        stop, on_output = more.pop("stop", threading.Event()), more.pop("on_output", lambda _: None)
        output: list[bytes] = []

        def take(data: bytes) -> None:
            output.append(data)
            on_output(data)

        def starting(request: ProcessRequest) -> RunningProcess:
            self.started.append((start or self.warm.for_image("work"))(request))
            return self.started[-1]

        request = ProcessRequest(
            command=("python", "-m", "work", *arguments),
            environment=self.environment(**more),
            folder=self.scratch,
            timeout_s=30,
            kill_grace_s=2,
        )
        result = run_process(
            request,
            on_started=lambda: None,
            on_output=take,
            on_tick=lambda: None,
            should_stop=stop.is_set,
            start=starting,
        )
        return result, b"".join(output).decode()

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": str(self.jobs_dir),
            "HOME": str(self.scratch),
            "LANG": "C.UTF-8",
            "AWS_BATCH_JOB_ID": "job-1",
        } | more

    @property
    def was_forked(self) -> bool:
        return isinstance(self.started[-1], WarmProcess)

    def server_pid(self) -> int:
        [place] = self.warm._places.values()
        assert place.server is not None
        return place.server._process.pid
