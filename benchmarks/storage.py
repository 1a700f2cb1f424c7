"""A large input through the laptop platform: time, and peak memory of the platform and of its jobs.

    python -m benchmarks.storage --gb 10

It needs six times the input's size on disk, and cleans up after itself.
"""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from benchmarks.machine import machine_line
from benchmarks.measured_run import measured_run, run_table
from benchmarks.sample_text import blocks_for


@click.command()
@click.option("--gb", default=10.0, show_default=True, help="Size of the input, in units of 1,000,000,000 bytes.")
@click.option("--shards", default=100, show_default=True, help="How many shards it is cut into.")
@click.option("--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Where there is room.")
def main(gb: float, shards: int, folder: Path | None) -> None:
    """Runs it once and prints the figures."""
    console = Console(width=110, highlight=False)
    console.print(machine_line())
    console.print(run_table(measured_run(blocks=blocks_for(int(gb * 1e9)), shards=shards, folder=folder)))


if __name__ == "__main__":
    main()
