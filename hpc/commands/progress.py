"""Follows a run to its end, and shows how far it is: a bar on a terminal, else a line when something changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hpc.connection import Connection
from hpc.run import Run
from hpc.runs import Runs
from hpc.stack import Stack
from hpc.tasks import StepCount, Tasks
from hpc.workflows import Workflow

_LAPTOP_POLL_S = 0.5
_AWS_POLL_S = 5.0
# Looking at a big run takes many calls; this keeps the looking to a quarter of the time.
_REST_PER_LOOK = 3.0
# How often lines may follow each other where there is no terminal.
_LINE_EVERY_S = 5.0


def follow(connection: Connection, stack: Stack, workflow: Workflow, run: Run) -> Iterator[tuple[Run, list[StepCount]]]:
    """The run and its steps as they are, again and again until the run is over."""
    runs = Runs(connection, stack.run_table)
    tasks = Tasks(connection, stack, workflow, run)
    poll_s = _LAPTOP_POLL_S if connection.is_laptop else _AWS_POLL_S
    while True:
        started = time.monotonic()
        now = runs.get(run.run_id)
        yield now, tasks.counts(now)
        if now.is_final:
            return
        time.sleep(max(poll_s, _REST_PER_LOOK * (time.monotonic() - started)))


def describe(counts: Sequence[StepCount]) -> str:
    """How far a run is, in one line: the steps that have begun."""
    begun = [count for count in counts if count.succeeded or count.running or count.failed]
    return ", ".join(_describe_step(count) for count in begun) or "waiting for the first task"


def _describe_step(count: StepCount) -> str:
    failed = f" ({count.failed} failed)" if count.failed else ""
    return f"{count.state} {count.succeeded}/{'?' if count.total is None else count.total}{failed}"


def done_and_total(counts: Sequence[StepCount]) -> tuple[int, int | None]:
    """Tasks that succeeded, and all tasks; None as long as the number of shards is unknown."""
    totals = [count.total for count in counts]
    total = None if None in totals else sum(total for total in totals if total is not None)
    return sum(count.succeeded for count in counts), total


class ProgressDisplay(AbstractContextManager["ProgressDisplay"]):
    """Shows what `follow` gives on `console` (standard error)."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._last_line = ""
        self._last_time = float("-inf")
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=console,
                transient=True,
            )
            self._task = self._bar.add_task("waiting for the first task", total=None)

    def __enter__(self) -> ProgressDisplay:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, run: Run, counts: Sequence[StepCount]) -> None:
        done, total = done_and_total(counts)
        if self._bar:
            self._bar.update(self._task, completed=done, total=total, description=self._doing(counts))
            return
        line = describe(counts)
        is_due = run.is_final or self._clock() - self._last_time >= _LINE_EVERY_S
        if line != self._last_line and is_due:
            self._console.print(f"{run.run_id}: {line}", markup=False, highlight=False, soft_wrap=True)
            self._last_line, self._last_time = line, self._clock()

    def _doing(self, counts: Sequence[StepCount]) -> str:
        failed = sum(count.failed for count in counts)
        titles = [count.title for count in counts if count.running] or ["waiting"]
        return ", ".join(titles) + (f" ({failed} failed)" if failed else "")
