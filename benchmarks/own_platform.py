"""A laptop platform for one benchmark: a state folder and a port of its own, ended and removed whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from hpc.local.loopback import free_port

ROOT = Path(__file__).resolve().parents[1]
HPC = Path(sys.executable).parent / "hpc"
DOWN_TIMEOUT_S = 120


@dataclass(frozen=True)
class OwnPlatform:
    """A running platform; `folder` holds its state and whatever the benchmark puts beside it."""

    folder: Path
    pid: int

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def run(
        self, file: Path, *, project: str, lines_per_shard: int, output: Path, timeout_s: float | None = None
    ) -> float:
        """Runs the string workflow on a file to its fetched results; returns the seconds it took.

        Raises CalledProcessError when the run fails, TimeoutExpired when it is not done in time.
        """
        started = time.monotonic()
        flags = ["--project", project, "--lines-per-shard", str(lines_per_shard), "--output", str(output)]
        hpc(self.folder, "run", str(file), *flags, timeout_s=timeout_s)
        return time.monotonic() - started

    def down(self) -> None:
        """Ends the platform, which saves its state; ending it again is no error."""
        hpc(self.folder, "down", timeout_s=DOWN_TIMEOUT_S)


@contextmanager
def own_platform(folder: Path | None = None) -> Iterator[OwnPlatform]:
    """Starts a platform in a new folder below `folder` (default: the system's temporary one)."""
    with ending_on_sigterm(), tempfile.TemporaryDirectory(prefix="hpc-bench-", dir=folder) as own:
        here = Path(own)
        try:
            hpc(here, "up", "--port", str(free_port()))
            shown = json.loads(hpc(here, "show", "--platform", "--json"))
            yield OwnPlatform(folder=here, pid=shown["pid"])
        finally:
            hpc(here, "down", timeout_s=DOWN_TIMEOUT_S)


def hpc(folder: Path, *arguments: str, timeout_s: float | None = None) -> str:
    """Output of the `hpc` command for the platform in the folder; what it says to people is shown when it fails."""
    environment = {name: value for name, value in os.environ.items() if name != "HPC_STACK"}
    ended = subprocess.run(
        [HPC, *arguments],
        cwd=ROOT,
        env=environment | {"HPC_STATE_DIR": str(folder / "state")},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if ended.returncode != 0:
        sys.stderr.write(ended.stdout + ended.stderr)
        raise subprocess.CalledProcessError(ended.returncode, ["hpc", *arguments])
    return ended.stdout


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Lets SIGTERM end the benchmark as Ctrl-C does, so that nothing is left behind."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
