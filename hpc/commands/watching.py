"""A run on the terminal: while it goes, and as it is."""

from __future__ import annotations

import sys
from dataclasses import replace

from rich.live import Live

from hpc.commands import display
from hpc.commands.progress import ProgressDisplay, follow
from hpc.connection import Connection
from hpc.run import Run
from hpc.stack import Stack
from hpc.tasks import Task, Tasks
from hpc.workflows import Workflow


def watch_run(connection: Connection, deployed: Stack, workflow: Workflow, submitted: Run) -> Run:
    """Tells on standard error how far a run is, until it is over; gives it as it then is."""
    ended = submitted
    with ProgressDisplay(display.console(sys.stderr)) as shown:
        for ended, counts in follow(connection, deployed, workflow, submitted):
            shown.update(ended, counts)
    return replace(ended, parameters=submitted.parameters)


def watch_on_terminal(connection: Connection, deployed: Stack, workflow: Workflow, submitted: Run) -> Run:
    """The same as a picture on standard output that is drawn again and again."""
    ended = submitted
    with Live(console=display.console(sys.stdout), auto_refresh=False, transient=True) as live:
        for ended, counts in follow(connection, deployed, workflow, submitted):
            live.update(display.run_overview(ended, workflow, counts, []), refresh=True)
    return replace(ended, parameters=submitted.parameters)


def show_run(connection: Connection, deployed: Stack, workflow: Workflow, found: Run) -> None:
    """Prints a run: its steps, why tasks failed, what to do next."""
    tasks = Tasks(connection, deployed, workflow, found)
    counts = tasks.counts(found)
    failures: list[Task] = []
    if any(count.failed for count in counts):
        failures = tasks.failures()
    display.console(sys.stdout).print(display.run_overview(found, workflow, counts, failures))
