"""How fast the jobs' text functions are on one core, beside `rev`, `perl` and `awk` on the same file.

    make bench

Each figure is the best of three; the ratio says how many times faster ours is than the tool named. The functions are
fed as their jobs feed them: chunks of the jobs' size, cut into whole lines. A tool that is not installed has no row.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hpc.sample import write_sample

JOBS = Path(__file__).resolve().parents[1] / "docker-image" / "BatchJob"
LINES = 1_000_000
ROUNDS = 3

REVERSE_TOOLS = (["rev"], ["perl", "-CSD", "-lne", "print scalar reverse"])
REPEAT_TOOLS = (["awk", "{print $0 $0}"], ["perl", "-lne", "print $_, $_"])


def main() -> None:
    sys.path.insert(0, str(JOBS))
    from hpc_job.text import CHUNK_BYTES, whole_lines  # noqa: PLC0415 -- the jobs ship alone and are not installed
    from string_repeat.repeat import repeat_lines  # noqa: PLC0415
    from string_reverse.reverse import reverse_lines  # noqa: PLC0415

    stay_on_one_core()
    table = Table("function", "text", "MB/s", "beside", "MB/s", "ratio")
    with tempfile.TemporaryDirectory() as folder:
        for text, path in (("ASCII", ascii_sample(Path(folder))), ("mixed", mixed_sample(Path(folder)))):
            megabytes = path.stat().st_size / 1e6
            for name, transform, tools in (
                ("reverse", reverse_lines, REVERSE_TOOLS),
                ("repeat", repeat_lines, REPEAT_TOOLS),
            ):

                def ours(transform: Callable[..., Iterator[bytes]] = transform, path: Path = path) -> None:
                    drain(transform(whole_lines(chunks(path, CHUNK_BYTES), str(path))))

                own = megabytes / best(ours)
                for tool in filter(is_installed, tools):
                    other = megabytes / best(lambda command=[*tool, str(path)]: run(command))
                    table.add_row(name, text, f"{own:.0f}", tool[0], f"{other:.0f}", f"{own / other:.1f}")
    Console().print(table)


def stay_on_one_core() -> None:
    """This process and the tools that it starts, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def ascii_sample(folder: Path) -> Path:
    """111 MB of lines of 81 to 140 characters."""
    path = folder / "ascii.txt"
    line = "The quick brown fox jumps over the lazy dog; " * 3
    with path.open("w") as file:
        file.writelines(f"{number:08d} {line[: 72 + number % 60]}\n" for number in range(LINES))
    return path


def mixed_sample(folder: Path) -> Path:
    """79 MB of seeded words, of which every sixth has characters of two or three bytes."""
    path = folder / "mixed.txt"
    write_sample(path, lines=LINES)
    return path


def chunks(path: Path, chunk_bytes: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(chunk_bytes):
            yield chunk


def drain(pieces: Iterable[bytes]) -> None:
    with Path(os.devnull).open("wb") as sink:
        for piece in pieces:
            sink.write(piece)


def is_installed(command: list[str]) -> bool:
    return shutil.which(command[0]) is not None


def run(command: list[str]) -> None:
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=True)


def best(work: Callable[[], None]) -> float:
    """Seconds of the fastest of three rounds."""
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


if __name__ == "__main__":
    main()
