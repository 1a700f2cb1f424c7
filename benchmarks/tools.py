"""The string workflow in other tools: split, repeat and reverse each shard, merge, with the same shell commands.

Each tool works in a folder that holds the text as `input`, a job a core at a time, and leaves `results/repeat` and
`results/reverse`. The text's lines end in LF, so `sed` and `rev` make the same bytes as our jobs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

SNAKEMAKE = "snakemake==9.27.1"
CACHE = Path(__file__).resolve().parents[1] / ".hpc" / "benchmarks"
JOBS_AT_ONCE = os.cpu_count() or 1
SHARD_DIGITS = 5
REPEAT = "sed 's/.*/&&/'"
REVERSE = "rev"


class Unavailable(Exception):
    """A tool is not on this machine and cannot be had; the text says why, and how to get it."""


@dataclass(frozen=True)
class Tool:
    """How a tool is found or installed, how its plan is written, and the command that runs it in a folder."""

    find: Callable[[], str]
    write_plan: Callable[[Path, int, int], None]
    arguments: tuple[str, ...]

    def program(self) -> str:
        """The tool's program; raises Unavailable when it, or what its shards need, is not there."""
        on_path("rev", "apt-get install bsdextrautils")
        return self.find()

    def run(self, program: str, folder: Path, timeout_s: float) -> None:
        """Runs the plan that lies in the folder; raises CalledProcessError and TimeoutExpired."""
        run([program, *self.arguments], folder, timeout_s)


def write_makefile(folder: Path, shards: int, lines_per_shard: int) -> None:
    (folder / "Makefile").write_text(makefile(shards, lines_per_shard))


def write_script(folder: Path, shards: int, lines_per_shard: int) -> None:
    (folder / "jobs").write_text("".join(f"{command}\n" for command in shard_commands(shards)))
    (folder / "script").write_text(
        f"{split_command(lines_per_shard)}\n"
        f"PARALLEL_HOME=$PWD parallel --will-cite --jobs {JOBS_AT_ONCE} < jobs\n"
        f"{merge_commands()}\n"
    )


def write_snakefile(folder: Path, shards: int, lines_per_shard: int) -> None:
    (folder / "Snakefile").write_text(snakefile(shards, lines_per_shard))


def shard_names(shards: int) -> list[str]:
    return [f"{number:0{SHARD_DIGITS}d}" for number in range(shards)]


def split_command(lines_per_shard: int) -> str:
    return f"split --numeric-suffixes --suffix-length={SHARD_DIGITS} --lines={lines_per_shard} input shards/"


def shard_commands(shards: int) -> list[str]:
    """Two commands for each shard."""
    return [
        f"{command} shards/{name} > {folder}/{name}"
        for folder, command in (("repeat", REPEAT), ("reverse", REVERSE))
        for name in shard_names(shards)
    ]


def merge_commands() -> str:
    return "cat repeat/* > results/repeat; cat reverse/* > results/reverse"


def makefile(shards: int, lines_per_shard: int) -> str:
    names = " ".join(shard_names(shards))
    return f"""\
SHARDS := {names}
all: results/repeat results/reverse
shards/.done: input
\t{split_command(lines_per_shard)} && touch $@
repeat/%: shards/.done
\t{REPEAT} shards/$* > $@
reverse/%: shards/.done
\t{REVERSE} shards/$* > $@
results/repeat: $(SHARDS:%=repeat/%)
\tcat repeat/* > $@
results/reverse: $(SHARDS:%=reverse/%)
\tcat reverse/* > $@
"""


def snakefile(shards: int, lines_per_shard: int) -> str:
    return f"""\
SHARDS = [f"{{number:0{SHARD_DIGITS}d}}" for number in range({shards})]
rule all:
    input: "results/repeat", "results/reverse"
rule split:
    input: "input"
    output: expand("shards/{{shard}}", shard=SHARDS)
    shell: "{split_command(lines_per_shard)}"
rule repeat:
    input: "shards/{{shard}}"
    output: "repeat/{{shard}}"
    shell: "{REPEAT} {{input}} > {{output}}"
rule reverse:
    input: "shards/{{shard}}"
    output: "reverse/{{shard}}"
    shell: "{REVERSE} {{input}} > {{output}}"
rule merge_repeat:
    input: expand("repeat/{{shard}}", shard=SHARDS)
    output: "results/repeat"
    shell: "cat repeat/* > {{output}}"
rule merge_reverse:
    input: expand("reverse/{{shard}}", shard=SHARDS)
    output: "results/reverse"
    shell: "cat reverse/* > {{output}}"
"""


def make() -> str:
    """Raises Unavailable."""
    return on_path("make", "apt-get install make")


def parallel() -> str:
    """The shell that runs the script; raises Unavailable when it would not find GNU parallel."""
    on_path("parallel", "apt-get install parallel")
    return on_path("bash", "apt-get install bash")


def on_path(program: str, advice: str) -> str:
    """Raises Unavailable when a program is not there."""
    found = shutil.which(program)
    if found is None:
        raise Unavailable(f"{program} is not on this machine; get it: {advice}")
    return found


def snakemake() -> str:
    """The program in an environment of its own, which the first call makes; raises Unavailable."""
    environment = CACHE / SNAKEMAKE.replace("==", "-")
    program = environment / "bin" / "snakemake"
    if program.is_file():
        return str(program)
    python = environment / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(environment)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", SNAKEMAKE],
    ):
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            shutil.rmtree(environment, ignore_errors=True)
            last = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
            raise Unavailable(f"{SNAKEMAKE} could not be installed: {last}")
    return str(program)


def run(command: Sequence[str], folder: Path, timeout_s: float) -> None:
    """Runs a tool to its end; whatever happens, none of its processes stays.

    Raises CalledProcessError, which shows the end of what the tool said, and TimeoutExpired.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | {"LC_ALL": "C.UTF-8", "XDG_CACHE_HOME": str(folder / "cache")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=timeout_s)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    if process.returncode != 0:
        sys.stderr.write(said[-2_000:])
        raise subprocess.CalledProcessError(process.returncode, command)


TOOLS = {
    "make": Tool(make, write_makefile, ("--silent", f"--jobs={JOBS_AT_ONCE}")),
    "parallel": Tool(parallel, write_script, ("-e", "script")),
    "snakemake": Tool(snakemake, write_snakefile, ("--cores", str(JOBS_AT_ONCE), "--quiet", "all")),
}
