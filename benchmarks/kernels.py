"""How fast the jobs' text functions are on one core, beside `rev` and `awk` on the same file.

    make bench

Each figure is the best of three; the ratio says how many times faster ours is than the tool named.
"""

from __future__ import annotations

import os
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
LINES = 500_000
ROUNDS = 3
CHUNK_BYTES = 1024 * 1024


def main() -> None:
    sys.path.insert(0, str(JOBS))
    from hpc_job.text import whole_lines  # noqa: PLC0415 -- the jobs ship alone and are not installed
    from string_repeat.repeat import repeat_lines  # noqa: PLC0415
    from string_reverse.reverse import reverse_lines  # noqa: PLC0415

    table = Table("function", "text", "MB/s", "beside", "MB/s", "ratio")
    with tempfile.TemporaryDirectory() as folder:
        for text, path in (("ASCII", ascii_sample(Path(folder))), ("mixed", mixed_sample(Path(folder)))):
            megabytes = path.stat().st_size / 1e6
            compared = (
                ("reverse", reverse_lines, ["rev", str(path)]),
                ("repeat", repeat_lines, ["awk", "{print $0 $0}", str(path)]),
            )
            for name, transform, command in compared:

                def ours(transform: Callable[..., Iterator[bytes]] = transform, path: Path = path) -> None:
                    drain(transform(whole_lines(chunks(path), str(path))))

                own = megabytes / best(ours)
                other = megabytes / best(lambda command=command: run(command))
                table.add_row(name, text, f"{own:.0f}", command[0], f"{other:.0f}", f"{own / other:.1f}")
    Console().print(table)


def ascii_sample(folder: Path) -> Path:
    path = folder / "ascii.txt"
    line = "The quick brown fox jumps over the lazy dog; " * 3
    with path.open("w") as file:
        file.writelines(f"{number:08d} {line[: 60 + number % 60]}\n" for number in range(LINES))
    return path


def mixed_sample(folder: Path) -> Path:
    path = folder / "mixed.txt"
    write_sample(path, lines=LINES)
    return path


def chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def drain(pieces: Iterable[bytes]) -> None:
    with Path(os.devnull).open("wb") as sink:
        for piece in pieces:
            sink.write(piece)


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
