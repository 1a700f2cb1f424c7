"""What people read: tables and texts. Whatever comes from outside is printed without letting a terminal act on it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hpc.results import Result
from hpc.run import Run
from hpc.tasks import StepCount, Task
from hpc.wording import plural, printable
from hpc.workflows import Workflow

_STYLES = {"SUCCEEDED": "green", "FAILED": "red", "CANCELLED": "yellow", "RUNNING": "cyan", "PENDING": "dim"}
_MAX_FAILURES = 10
_MAX_REASONS = 20
# A pipe has no width; nothing is folded for it.
_WIDTH_WITHOUT_TERMINAL = 4000


def console(stream: TextIO) -> Console:
    """A console on standard output or standard error."""
    return Console(file=stream, width=None if stream.isatty() else _WIDTH_WITHOUT_TERMINAL, highlight=False)


def program() -> str:
    """How this person can call `hpc`: by its name if the shell finds it, else by its path."""
    if shutil.which("hpc"):
        return "hpc"
    beside_python = Path(sys.executable).parent / "hpc"
    return shlex.quote(os.path.relpath(beside_python)) if beside_python.exists() else "hpc"


def runs_table(runs: Sequence[Run]) -> Table:
    """A line a run, newest first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("RUN", "WORKFLOW", "PROJECT", "STATUS", "CREATED (UTC)", "TIME", "REASON"):
        table.add_column(column, no_wrap=column != "REASON", overflow="fold")
    for run in runs:
        table.add_row(
            _text(run.run_id),
            _text(run.workflow),
            _text(run.project),
            _status(run.status),
            _text(_time(run.created_at)),
            _text(duration(run)),
            _text(run.reasons[0] if run.reasons else ""),
        )
    return table


def run_overview(run: Run, workflow: Workflow, counts: Sequence[StepCount], failures: Sequence[Task]) -> RenderableType:
    """A run: its steps, why it failed, where its results are, what to do next."""
    head = Text.assemble(
        "Run ", (run.run_id, "bold"), "  ", _status(run.status), f"  {workflow.title}, project {printable(run.project)}"
    )
    times = Text(f"Created {_time(run.created_at)} UTC, {duration(run) or 'not started'}", style="dim")
    parts: list[RenderableType] = [head, times, Text(), _steps_table(counts), Text()]
    parts += _reasons(run)
    parts += _failures(failures)
    parts += _places(run, workflow)
    parts += [Text("Next:"), *(Text(f"  {line}") for line in next_commands(run, failures))]
    return Group(*parts)


def next_commands(run: Run, failures: Sequence[Task]) -> list[str]:
    """What a person may want to do with a run of that status."""
    hpc = program()
    if not run.is_final:
        return [f"{hpc} show {run.run_id} --watch", f"{hpc} logs {run.run_id}", f"{hpc} cancel {run.run_id}"]
    if run.status == "SUCCEEDED":
        return [f"{hpc} results {run.run_id} -o DIR", f"{hpc} logs {run.run_id}"]
    task = f" {failures[0].name}" if failures else ""
    return [
        f"{hpc} logs {run.run_id}{task}",
        f"{hpc} resume {run.run_id}   (continues it, with what is missing only)",
        f"{hpc} show {run.run_id} --json",
    ]


def result_lines(results: Iterable[Result]) -> list[str]:
    """Path, size, lines and the beginning of each output."""
    lines = []
    for result in results:
        size = f"{result.bytes:,} bytes" + ("" if result.lines is None else f", {result.lines:,} lines")
        lines += [f"{result.title}: {printable(str(result.path))}", f"  {size}"]
        if result.bytes:
            lines.append(f"  first line: {result.first_line}")
    return lines


def duration(run: Run) -> str:
    """From the start to the end or to now; empty for a run that has not started."""
    try:
        start = datetime.fromisoformat(run.started_at or run.stopped_at)
        end = datetime.fromisoformat(run.stopped_at) if run.stopped_at else datetime.now(UTC)
    except ValueError:
        return ""
    return seconds((end - start).total_seconds())


def seconds(total: float) -> str:
    """
    >>> seconds(9.04), seconds(75), seconds(7261)
    ('9.0 s', '1 min 15 s', '2 h 1 min')
    """
    if total < 60:
        return f"{max(total, 0):.1f} s"
    minutes, rest = divmod(int(total), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _steps_table(counts: Sequence[StepCount]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("STEP", "STATE"):
        table.add_column(column, no_wrap=True)
    table.add_column("DONE", justify="right", no_wrap=True)
    table.add_column("", width=20)
    table.add_column("RUNNING", justify="right")
    table.add_column("FAILED", justify="right")
    for count in counts:
        total = "?" if count.total is None else str(count.total)
        table.add_row(
            _text(count.title),
            _text(count.state),
            f"{count.succeeded}/{total}",
            ProgressBar(total=count.total or 1, completed=count.succeeded, width=20),
            str(count.running or ""),
            Text(str(count.failed or ""), style="red"),
        )
    return table


def _reasons(run: Run) -> list[RenderableType]:
    if not run.reasons:
        return []
    shown = [Text(f"  {printable(reason)}") for reason in run.reasons[:_MAX_REASONS]]
    if run.reason_count > len(shown):
        shown.append(Text(f"  and {run.reason_count - len(shown)} more"))
    return [Text("Why:"), *shown, Text()]


def _failures(failures: Sequence[Task]) -> list[RenderableType]:
    if not failures:
        return []
    shown = [
        Text(f"  {task.name} ({plural(task.attempts, 'attempt')}): {printable(task.reason or '')}")
        for task in failures[:_MAX_FAILURES]
    ]
    if len(failures) > len(shown):
        shown.append(Text(f"  and {len(failures) - len(shown)} more"))
    return [Text("Failed tasks:"), *shown, Text()]


def _places(run: Run, workflow: Workflow) -> list[RenderableType]:
    if not run.parameters:
        return []
    lines = [f"Input:   {workflow.input_uri(run.parameters)}"] if workflow.upload else []
    if run.status == "SUCCEEDED":
        bucket = workflow.output_bucket(run.parameters)
        keys = workflow.output_keys(run.parameters)
        lines += [f"Results: s3://{bucket}/{keys[output.name]}" for output in workflow.outputs]
    return [*(Text(printable(line)) for line in lines), Text()]


def _text(value: str) -> Text:
    return Text(printable(value))


def _status(status: str) -> Text:
    return Text(printable(status), style=_STYLES.get(status, ""))


def _time(moment: str) -> str:
    """`2026-01-31 09:30:00` of an ISO 8601 time."""
    return printable(moment)[:19].replace("T", " ")
