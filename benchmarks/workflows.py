"""The string workflow on 1,000,000 lines at 10, 100 and 1,000 shards: the laptop platform beside other tools.

    python -m benchmarks.workflows --shards 10,100 --tools ours,make

Each tool splits, repeats and reverses each shard, and merges; a job is one of the two that each shard has. Ours goes
through S3, IAM and a state machine, and its seconds are those of `hpc run`: upload and download count. The others run
`sed` and `rev` on files, one a core at a time. Every result is compared, byte by byte, with what plain Python
makes of the text.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine_line
from benchmarks.own_platform import own_platform
from benchmarks.sample_text import LINES_OF_A_BLOCK, WrongResult, check_results, write_text
from benchmarks.tools import TOOLS, Tool, Unavailable

LINES = 1_000_000
BLOCKS = LINES // LINES_OF_A_BLOCK
SHARDS = (10, 100, 1_000)
JOBS_OF_A_SHARD = 2
OURS = "ours"
# What the marginal cost of a job is taken from: where a run's fixed costs are the same.
FEWER, MORE = 100, 1_000
NAME = "lines.txt"

# Runs the text at so many shards within so many seconds; gives the seconds it took. Results are verified.
Run = Callable[[int, float], float]
Seconds = Mapping[tuple[str, int], float]


def numbers(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[int, ...]:
    """Shard counts of `10,100`; each divides the lines, so that there are exactly so many shards."""
    try:
        counts = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        counts = (0,)
    if any(count < 1 or LINES % count for count in counts):
        raise click.BadParameter(f"found {text!r}, expected numbers that divide {LINES:,}, such as 10,100")
    return counts


def names(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[str, ...]:
    chosen = tuple(text.split(","))
    known = (OURS, *TOOLS)
    if not set(chosen) <= set(known):
        raise click.BadParameter(f"found {text!r}, expected some of {','.join(known)}")
    return chosen


@click.command()
@click.option("--shards", "counts", default=",".join(map(str, SHARDS)), callback=numbers, show_default=True)
@click.option("--tools", "chosen", default=",".join((OURS, *TOOLS)), callback=names, show_default=True)
@click.option("--minutes", default=12.0, show_default=True, help="What is not done by then is left out.")
def main(counts: tuple[int, ...], chosen: tuple[str, ...], minutes: float) -> None:
    """Prints seconds, marginal milliseconds a job and ratios."""
    console = Console(width=110, highlight=False)
    deadline = time.monotonic() + minutes * 60
    seconds: dict[tuple[str, int], float] = {}
    failed = []
    with tempfile.TemporaryDirectory(prefix="hpc-bench-") as folder:
        text = Path(folder) / NAME
        size = write_text(text, BLOCKS)
        console.print(f"{LINES:,} lines, {size / 1e6:.0f} MB; {machine_line()}")
        for tool in chosen:
            try:
                with opened(tool, text) as run:
                    for count in counts:
                        seconds[tool, count] = run(count, max(1.0, deadline - time.monotonic()))
                        console.print(f"{tool}, {count:,} shards: {seconds[tool, count]:.1f} s, results verified")
            except Unavailable as reason:
                console.print(f"{tool} is left out: {reason}")
            except subprocess.TimeoutExpired:
                console.print(f"{tool}: not done within the {minutes:g} minutes that the benchmark has")
            except (subprocess.CalledProcessError, WrongResult) as failure:
                console.print(f"{tool} failed: {failure}")
                failed.append(tool)
    console.print(results_table(seconds, counts))
    if failed:
        raise click.ClickException(f"found failures of {', '.join(failed)}, expected right results of every tool")


@contextmanager
def opened(tool: str, text: Path) -> Iterator[Run]:
    """A way to run the text with a tool; for ours on a platform that is up meanwhile."""
    if tool != OURS:
        program = TOOLS[tool].program()
        yield lambda shards, timeout_s: run_tool(TOOLS[tool], program, text, shards, timeout_s)
        return
    with own_platform() as platform:

        def run_ours(shards: int, timeout_s: float) -> float:
            results = platform.folder / f"results-{shards}"
            lines = LINES // shards
            taken = platform.run(
                text, project=f"Shards{shards}", lines_per_shard=lines, output=results, timeout_s=timeout_s
            )
            check_results(results / f"repeat_{NAME}_merge", results / f"reverse_{NAME}_merge", BLOCKS)
            shutil.rmtree(results)
            return taken

        yield run_ours


def run_tool(tool: Tool, program: str, text: Path, shards: int, timeout_s: float) -> float:
    with tempfile.TemporaryDirectory(dir=text.parent) as name:
        folder = Path(name)
        for made in ("shards", "repeat", "reverse", "results"):
            (folder / made).mkdir()
        (folder / "input").symlink_to(text)
        tool.write_plan(folder, shards, LINES // shards)
        started = time.monotonic()
        tool.run(program, folder, timeout_s)
        taken = time.monotonic() - started
        check_results(folder / "results" / "repeat", folder / "results" / "reverse", BLOCKS)
    return taken


def marginal_ms(seconds: Seconds, tool: str) -> float | None:
    """Milliseconds that one job more costs, from 100 to 1,000 shards; None when one of them was not measured."""
    if (tool, FEWER) not in seconds or (tool, MORE) not in seconds:
        return None
    jobs = JOBS_OF_A_SHARD * (MORE - FEWER)
    return (seconds[tool, MORE] - seconds[tool, FEWER]) / jobs * 1_000


def results_table(seconds: Seconds, counts: Sequence[int]) -> Table:
    """Seconds, marginal ms, and how many times as long a tool took as ours at the most shards that both did."""
    table = Table("tool", *(f"{count:,} shards, s" for count in counts), f"ms a job, {FEWER} to {MORE:,}", "ours = 1")
    for column in table.columns[1:]:
        column.justify = "right"
    for tool in dict.fromkeys(tool for tool, _ in seconds):
        ms = marginal_ms(seconds, tool)
        both = [count for count in counts if (tool, count) in seconds and (OURS, count) in seconds]
        ratio = f"{seconds[tool, both[-1]] / seconds[OURS, both[-1]]:.2f} at {both[-1]:,}" if both else "-"
        table.add_row(
            tool,
            *(f"{seconds[tool, count]:.1f}" if (tool, count) in seconds else "-" for count in counts),
            "-" if ms is None else f"{ms:.1f}",
            ratio,
        )
    return table


if __name__ == "__main__":
    main()
