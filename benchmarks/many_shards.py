"""10,000 shards through the laptop platform once: time, peak memory, and the size of what the platform saves.

python -m benchmarks.many_shards --shards 10000
"""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine_line
from benchmarks.measured_run import measured_run, run_table
from benchmarks.sample_text import LINES_OF_A_BLOCK

LINES = 1_000_000


@click.command()
@click.option("--shards", default=10_000, show_default=True, help=f"How many shards {LINES:,} lines are cut into.")
@click.option("--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Where there is room.")
def main(shards: int, folder: Path | None) -> None:
    """Runs it once and prints the figures."""
    console = Console(width=110, highlight=False)
    console.print(machine_line())
    measured = measured_run(blocks=LINES // LINES_OF_A_BLOCK, shards=shards, folder=folder)
    figures = run_table(measured)
    figures.add_row("time for each job of a shard", f"{measured.seconds / measured.jobs * 1_000:.1f} ms")
    console.print(figures)
    console.print(state_table(measured.state_bytes))


def state_table(state_bytes: dict[str, int]) -> Table:
    """What lies in the platform's state folder after it has ended."""
    table = Table("folder of the saved state", "MB on disk")
    table.columns[1].justify = "right"
    for name, size in (*state_bytes.items(), ("all", sum(state_bytes.values()))):
        table.add_row(name, f"{size / 1e6:,.1f}")
    return table


if __name__ == "__main__":
    main()
