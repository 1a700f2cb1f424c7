"""How much memory the processes of a platform take, jobs apart from the rest, sampled while it works.

A process's memory is its proportional set size: what it shares with others (a fork with its parent) is divided among
them, so that the sum is what the machine gives. Only Linux tells it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PROC = Path("/proc")
PAGE_KIB = 4
INTERVAL_S = 0.2
# Batch gives it to every job, and so does the platform.
JOB_VARIABLE = b"AWS_BATCH_JOB_ID="


@dataclass(frozen=True)
class Sample:
    """Memory at one moment, in KiB, and the number of job processes; `parts` is the platform's by program."""

    platform_kib: int = 0
    jobs_kib: int = 0
    job_processes: int = 0
    parts: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Peaks:
    """The highest of each seen so far; the highest sum is less than the sum of both when they were not at once.

    `parts` is what the platform was made of when it was largest.
    """

    platform_kib: int = 0
    jobs_kib: int = 0
    total_kib: int = 0
    job_processes: int = 0
    samples: int = 0
    parts: Mapping[str, int] = field(default_factory=dict)

    def add(self, sample: Sample) -> None:
        if sample.platform_kib > self.platform_kib:
            self.parts = sample.parts
        self.platform_kib = max(self.platform_kib, sample.platform_kib)
        self.jobs_kib = max(self.jobs_kib, sample.jobs_kib)
        self.total_kib = max(self.total_kib, sample.platform_kib + sample.jobs_kib)
        self.job_processes = max(self.job_processes, sample.job_processes)
        self.samples += 1


@contextmanager
def sampling(pid: int, *, interval_s: float = INTERVAL_S) -> Iterator[Peaks]:
    """Samples the process and all below it until the block ends."""
    peaks = Peaks()
    ended = threading.Event()

    def sample_on() -> None:
        while not ended.wait(interval_s):
            peaks.add(take_sample(pid))

    sampler = threading.Thread(target=sample_on, name="memory", daemon=True)
    sampler.start()
    try:
        yield peaks
    finally:
        ended.set()
        sampler.join()


def take_sample(root: int, proc: Path = PROC) -> Sample:
    """The memory of a process and all below it; what is below a job belongs to the job."""
    children = children_by_parent(parents(proc))
    parts: Counter[str] = Counter()
    jobs, job_processes = 0, 0
    waiting = [(root, False)]
    while waiting:
        pid, of_job = waiting.pop()
        of_job = of_job or is_job(proc / str(pid))
        kib = proportional_kib(proc / str(pid))
        if of_job:
            jobs, job_processes = jobs + kib, job_processes + 1
        elif kib:
            parts[program(proc / str(pid))] += kib
        waiting += [(child, of_job) for child in children.get(pid, ())]
    return Sample(sum(parts.values()), jobs, job_processes, parts)


def parents(proc: Path) -> dict[int, int]:
    """Each process's parent; one that ends meanwhile is left out."""
    found = {}
    for folder in proc.iterdir():
        if folder.name.isdigit():
            try:
                # The name, in parentheses, may hold anything: the fields begin behind the last one.
                found[int(folder.name)] = int(
                    (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
                )
            except (OSError, IndexError):
                continue
    return found


def children_by_parent(parent_of: Mapping[int, int]) -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for pid, parent in parent_of.items():
        children.setdefault(parent, []).append(pid)
    return children


def is_job(process: Path) -> bool:
    try:
        return any(variable.startswith(JOB_VARIABLE) for variable in (process / "environ").read_bytes().split(b"\0"))
    except OSError:
        return False


def program(process: Path) -> str:
    """What runs in a process, as its command line names it: of Python the module or the script."""
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "unknown"
    if not Path(words[0]).name.startswith("python"):
        return Path(words[0]).name or "unknown"
    if "-m" in words[:-1]:
        return words[words.index("-m") + 1]
    return "functions" if "-c" in words else Path(next((word for word in words[1:] if word[:1] != "-"), "python")).name


def proportional_kib(process: Path) -> int:
    """Proportional set size, or the resident one where the kernel does not tell; 0 for a process that has ended."""
    try:
        for line in (process / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    try:
        return int((process / "statm").read_text().split()[1]) * PAGE_KIB
    except (OSError, IndexError):
        return 0


def folder_bytes(folder: Path) -> int:
    """Room that the files in a folder take on disk; one that goes away meanwhile does not count."""
    taken = 0
    for path in folder.rglob("*"):
        try:
            taken += path.lstat().st_blocks * 512
        except FileNotFoundError:
            continue
    return taken
