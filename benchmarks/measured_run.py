"""One run of the string workflow on a platform of its own: how long it takes, and what memory and disk it needs."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import click
from rich.table import Table

from benchmarks.memory import Peaks, folder_bytes, sampling
from benchmarks.own_platform import own_platform
from benchmarks.sample_text import LINES_OF_A_BLOCK, check_results, write_text

NAME = "lines.txt"
JOBS_OF_A_SHARD = 2
# Times the text: what is fetched; and the upload, the shards, outputs and merged objects in the platform's S3 server,
# SeaweedFS, which compresses text (this one 4.5 times).
COPIES_FETCHED = 3
COPIES_IN_S3 = 1 + 1 + 3 + 3
COMPRESSED = 0.25


@dataclass(frozen=True)
class MeasuredRun:
    """Figures of a run whose results were verified; `state_bytes` by folder of the platform's state, after its end."""

    input_bytes: int
    lines: int
    shards: int
    seconds: float
    peaks: Peaks
    state_bytes: dict[str, int]

    @property
    def jobs(self) -> int:
        """Jobs of shards; the split and the merges are three more."""
        return JOBS_OF_A_SHARD * self.shards


def measured_run(*, blocks: int, shards: int, folder: Path | None) -> MeasuredRun:
    """Makes the text, runs it to its fetched results, and compares every byte of them.

    Raises WrongResult, CalledProcessError when the run fails, and ClickException when the disk is too small.
    """
    lines = blocks * LINES_OF_A_BLOCK
    lines_per_shard = ceil(lines / shards)
    with own_platform(folder) as platform:
        text, results = platform.folder / NAME, platform.folder / "results"
        size = write_text(text, blocks)
        require_room(platform.folder, int((COPIES_FETCHED + COPIES_IN_S3 * COMPRESSED) * size))
        with sampling(platform.pid) as peaks:
            seconds = platform.run(text, project="Measured", lines_per_shard=lines_per_shard, output=results)
        check_results(results / f"repeat_{NAME}_merge", results / f"reverse_{NAME}_merge", blocks)
        platform.down()
        state_bytes = {path.name: folder_bytes(path) for path in sorted(platform.state.iterdir()) if path.is_dir()}
    return MeasuredRun(size, lines, ceil(lines / lines_per_shard), seconds, peaks, state_bytes)


def require_room(folder: Path, needed: int) -> None:
    """Raises ClickException when a folder's disk has no room for so many bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise click.ClickException(
            f"{folder.parent}: found {free / 1e9:.1f} GB free, expected {needed / 1e9:.1f} GB for all copies of the "
            "text; name a folder on a larger disk with --folder, or take a smaller text"
        )


def run_table(measured: MeasuredRun) -> Table:
    """The figures that every run has."""
    table = Table("figure", "value", show_header=False)
    peaks = measured.peaks
    for name, value in (
        ("input", f"{measured.input_bytes / 1e9:.2f} GB, {measured.lines:,} lines, {measured.shards:,} shards"),
        ("time, upload and download too", f"{measured.seconds:,.1f} s"),
        ("of the input a second", f"{measured.input_bytes / 1e6 / measured.seconds:.1f} MB/s"),
        ("peak memory of the platform", mib(peaks.platform_kib)),
        ("made of", ", ".join(f"{name} {mib(kib)}" for name, kib in Counter(peaks.parts).most_common(6))),
        ("peak memory of the jobs", f"{mib(peaks.jobs_kib)}, {peaks.job_processes} processes at most"),
        ("peak memory of both at once", f"{mib(peaks.total_kib)} ({peaks.samples:,} samples)"),
        ("results", "verified, every byte"),
    ):
        table.add_row(name, value)
    return table


def mib(kib: int) -> str:
    return f"{kib / 1024:,.0f} MiB"
