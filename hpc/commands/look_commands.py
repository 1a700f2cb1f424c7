"""Commands that look at runs and at the platform, and change nothing."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from hpc import results as run_results
from hpc import stack, workflow_folders
from hpc.commands import display, doctor_display
from hpc.commands.group import say
from hpc.commands.opening import api_url, open_run
from hpc.commands.options import PATH, json_option, optional_run_argument, run_argument
from hpc.commands.watching import show_run, watch_on_terminal, watch_run
from hpc.connecting import connect, running_platform
from hpc.doctor import examine, has_findings
from hpc.logs import Logs
from hpc.runs import Runs
from hpc.task_rows import jobs_of_tasks
from hpc.tasks import Tasks
from hpc.wording import printable


@click.command()
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="How many days back (UTC).")
@json_option
@click.pass_obj
def runs(stack_name: str | None, days: int, as_json: bool) -> None:
    """Lists the runs, newest first."""
    connection = connect(stack_name)
    found = Runs(connection, stack.describe(connection).run_table).recent(days)
    if as_json:
        print_json([run.as_json() for run in found])
    elif found:
        display.console(sys.stdout).print(display.runs_table(found))
    else:
        say(f"No runs in the last {days} days. Start one: {display.program()} run FILE ...")


@click.command()
@optional_run_argument
@click.option("--watch", is_flag=True, help="Refresh until the run is over; the exit code then tells how it ended.")
@click.option("--platform", "of_platform", is_flag=True, help="Show the platform on this machine instead of a run.")
@json_option
@click.pass_obj
def show(stack_name: str | None, run_id: str | None, watch: bool, of_platform: bool, as_json: bool) -> None:
    """Shows a run: its steps, its tasks, why it failed, what to do next.

    With --json the tasks are listed one by one, with the jobs and attempts that the run table has of them; shards of a
    group have none of their own unless they failed, the group's array jobs are listed under `groups`. Batch keeps ended
    jobs for about 7 days; after that only these are left.
    """
    if of_platform == (run_id is not None):
        raise click.UsageError("expected either RUN or --platform")
    if run_id is None:
        _show_platform(as_json)
        return
    connection, deployed, workflow, found = open_run(stack_name, run_id)
    if watch:
        watcher = watch_on_terminal if sys.stdout.isatty() and not as_json else watch_run
        found = watcher(connection, deployed, workflow, found)
    if as_json:
        tasks = Tasks(connection, deployed, workflow, found).all()
        jobs = jobs_of_tasks(connection, deployed.run_table, found.run_id)
        shown = [{**task.as_json(), "jobs": jobs.pop((task.state, task.index), [])} for task in tasks]
        groups = [{"state": state, "index": index, "jobs": those} for (state, index), those in sorted(jobs.items())]
        print_json({**found.as_json(), "tasks": shown, "groups": groups})
    else:
        show_run(connection, deployed, workflow, found)
    if watch and found.status != "SUCCEEDED":
        raise click.exceptions.Exit(1)


@click.command()
@run_argument
@click.argument("task", required=False)
@click.pass_obj
def logs(stack_name: str | None, run_id: str, task: str | None) -> None:
    """Prints the logs of a run, or of one TASK of it (String_Repeat-3, String_Split, Job_Map)."""
    on_terminal = sys.stdout.isatty()
    for log in Logs(*open_run(stack_name, run_id)).read(task):
        click.echo(f"=== {printable(log.heading)}")
        for line in log.lines:
            # A file gets the bytes that the job wrote; a terminal must not act on them.
            click.echo(printable(line.replace("\t", "    ")) if on_terminal else line)


@click.command()
@run_argument
@click.option("-o", "--output", type=PATH, required=True, help="Folder for the results.")
@click.pass_obj
def results(stack_name: str | None, run_id: str, output: Path) -> None:
    """Fetches the results of a run that succeeded; they replace files of the same names in the output folder."""
    for line in display.result_lines(run_results.fetch(*open_run(stack_name, run_id), output)):
        click.echo(line)


@click.command()
@optional_run_argument
@json_option
@click.pass_obj
def doctor(stack_name: str | None, run_id: str | None, as_json: bool) -> None:
    """Says why jobs wait, or would, with what to do about it: of the whole platform, or of a RUN.

    Exit codes: 0 nothing was found (what could not be checked is listed), 1 something was found.
    """
    if run_id is None:
        connection = connect(stack_name)
        deployed, found = stack.describe(connection), None
        names = [name for name in workflow_folders.names() if name in deployed.job_definitions]
        workflows = [workflow_folders.load(name) for name in names]
    else:
        connection, deployed, workflow, found = open_run(stack_name, run_id)
        workflows = [workflow]
    lines = examine(connection, deployed, workflows, found)
    if as_json:
        print_json([line.as_json() for line in lines])
    else:
        display.console(sys.stdout).print(doctor_display.lines_table(lines))
        say(doctor_display.summary(lines))
    if has_findings(lines):
        raise click.exceptions.Exit(1)


def _show_platform(as_json: bool) -> None:
    state = running_platform()
    shown = {name: asdict(state)[name] for name in ("pid", "endpoint_url", "web_url", "data_dir")}
    shown["api_url"] = api_url(state)
    if as_json:
        print_json(shown)
    else:
        for name, value in shown.items():
            click.echo(f"{name}: {'none yet' if value is None else value}")


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))
