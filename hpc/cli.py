"""The `hpc` command: thin commands over the functions of this package.

Exit codes: 0 it was done (and the run succeeded), 1 the run failed, 2 wrong usage or input, 3 the platform cannot be
reached, 130 interrupted. Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.live import Live

from hpc import display, doctor_display, file_submission, objects, parameters, stack, submission, workflow_folders
from hpc import results as run_results
from hpc.api_address import api_url
from hpc.cancel import cancel as cancel_run
from hpc.command_group import INTERRUPTED, HpcGroup, say
from hpc.connecting import connect, to_aws, to_laptop
from hpc.connection import Connection, caller, reporting_unreachable
from hpc.doctor import examine, has_findings
from hpc.errors import HpcError, PlatformUnreachable, WrongInput
from hpc.local import platform
from hpc.local.recovery import continue_runs
from hpc.logs import Logs
from hpc.options import WorkflowCommand, chosen_name, given_parameters
from hpc.progress import ProgressDisplay, follow
from hpc.resume import resume as resume_run
from hpc.runs import Run, Runs, check_run_id
from hpc.stack import Stack
from hpc.task_rows import jobs_of_tasks
from hpc.tasks import Task, Tasks
from hpc.wording import printable
from hpc.workflows import Workflow

# Without click's own checks: what cannot be read or written is told in our words.
_PATH = click.Path(path_type=Path, readable=False)


@click.group(cls=HpcGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cloud-native-hpc", prog_name="hpc")
@click.option(
    "--stack",
    "stack_name",
    metavar="NAME",
    envvar="HPC_STACK",
    help="Work with this stack in the AWS account of your credentials (for example Production-abc) instead of the "
    "platform on this machine.",
)
@click.pass_context
def main(ctx: click.Context, stack_name: str | None) -> None:
    """Runs batch workflows, on this machine or on AWS.

    \b
    Exit codes: 0 done, and the run succeeded; 1 the run failed;
    2 wrong usage or input; 3 the platform cannot be reached.
    """
    ctx.obj = stack_name


_overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace the results that the project has of another input."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
_run_argument = click.argument("run_id", metavar="RUN", callback=lambda _ctx, _param, text: check_run_id(text))


def _up(port: int | None = None) -> platform.PlatformState:
    """The laptop platform, started if it is not up, with its page."""
    return platform.up(port=port, say=say, continue_runs=continue_runs, api_url=lambda state: api_url(to_laptop(state)))


@main.command()
@click.option("--port", type=click.IntRange(1024, 65535), help="Port on 127.0.0.1 [default: the last one, or 4566].")
def up(port: int | None) -> None:
    """Starts the platform on this machine, and deploys what changed."""
    state = _up(port)
    click.echo(f"Platform: {state.endpoint_url} (process {state.pid}), its data in {state.data_dir}")
    click.echo(f"Page: {state.web_url}")
    say(f"Next: {display.program()} run FILE --project P --lines-per-shard N --output DIR")


@main.command()
@click.option("--purge", is_flag=True, help="Delete everything too: runs, results in S3, logs. Asks first.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def down(*, purge: bool, yes: bool) -> None:
    """Ends the platform on this machine; its data stays, unless --purge is given."""
    if purge and not yes:
        click.confirm(f"Delete all runs, inputs and results in {platform.state_dir()}?", abort=True, err=True)
    if not platform.down(say=say):
        say("No platform was running")
    if purge:
        platform.purge(say=say)


@main.command()
def env() -> None:
    """Prints the environment for boto3 and the AWS CLI.

    For example: eval "$(hpc env)"; aws s3 ls
    """
    state = _platform()
    values = {
        "AWS_ENDPOINT_URL": state.endpoint_url,
        "AWS_ACCESS_KEY_ID": state.access_key_id,
        "AWS_SECRET_ACCESS_KEY": state.secret_access_key,
        "AWS_REGION": state.region,
        "AWS_DEFAULT_REGION": state.region,
    }
    if url := api_url(to_laptop(state)):
        values["HPC_API_URL"] = url
    # A token of another account's session would go with these keys.
    click.echo("unset AWS_SESSION_TOKEN AWS_PROFILE")
    for name, value in values.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@main.command(cls=WorkflowCommand, without_upload=True)
@click.argument("file", type=_PATH)
@click.option("-o", "--output", type=_PATH, required=True, help="Folder for the results.")
@_overwrite_option
@click.pass_obj
def run(
    stack_name: str | None,
    /,
    file: Path,
    output: Path,
    workflow_name: str | None,
    overwrite: bool,
    **options: str | None,
) -> None:
    """Runs a workflow on FILE and fetches its results: starts the platform if needed, uploads, waits, downloads.

    Results replace files of the same names in the output folder.
    """
    started = time.monotonic()
    workflow = workflow_folders.load(chosen_name(workflow_name))
    values, local = file_submission.check_local(
        workflow, given_parameters(workflow, options), file, on_laptop=stack_name is None
    )
    objects.check_output_names(workflow, values)
    run_results.prepare_directory(output)
    state = None if stack_name else _up()
    connection = to_laptop(state) if state else to_aws(str(stack_name))
    submitted = file_submission.submit_file(connection, workflow, values, local, overwrite=overwrite, say=say)
    try:
        say(f"Run {submitted.run_id} of workflow {workflow.name}, project {submitted.project}")
        deployed = stack.describe(connection)
        ended = _watch(connection, deployed, workflow, submitted)
    except KeyboardInterrupt:
        hpc = display.program()
        say(
            f"\nRun {submitted.run_id} goes on without you. Watch it: {hpc} show {submitted.run_id} --watch; "
            f"end it: {hpc} cancel {submitted.run_id}"
        )
        raise click.exceptions.Exit(INTERRUPTED) from None
    if ended.status != "SUCCEEDED":
        _show(connection, deployed, workflow, ended)
        raise click.exceptions.Exit(1)
    for line in display.result_lines(_fetch(connection, deployed, workflow, ended, output)):
        click.echo(line)
    click.echo(f"Run {ended.run_id} succeeded in {display.seconds(time.monotonic() - started)}")
    say("Try next:")
    hpc = display.program()
    for command in (f"show {ended.run_id}", f"logs {ended.run_id}", f"results {ended.run_id} -o DIR", "runs"):
        say(f"  {hpc} {command}")
    if state and state.web_url:
        click.echo(f"Its page: {state.web_url}/runs/{ended.run_id}")


@main.command(cls=WorkflowCommand)
@click.argument("file", required=False, type=_PATH)
@_overwrite_option
@click.pass_obj
def submit(
    stack_name: str | None,
    /,
    file: Path | None,
    workflow_name: str | None,
    overwrite: bool,
    **options: str | None,
) -> None:
    """Starts a workflow on FILE, or on an object that is in S3 already, and prints the run's id."""
    workflow = workflow_folders.load(chosen_name(workflow_name))
    given = given_parameters(workflow, options)
    if file is None:
        values = parameters.validate(workflow, given)
        objects.check_output_names(workflow, values, of_file=False)
        connection = connect(stack_name)
        deployed = stack.describe(connection)
        submitted = submission.submit_object(
            connection, deployed, workflow, values, overwrite=overwrite, owner=caller(connection)
        )
    else:
        values, local = file_submission.check_local(workflow, given, file, on_laptop=stack_name is None)
        objects.check_output_names(workflow, values)
        connection = connect(stack_name)
        submitted = file_submission.submit_file(connection, workflow, values, local, overwrite=overwrite, say=say)
    click.echo(submitted.run_id)
    say(f"Watch it: {display.program()} show {submitted.run_id} --watch")


@main.command()
@click.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="How many days back (UTC).")
@_json_option
@click.pass_obj
def runs(stack_name: str | None, days: int, as_json: bool) -> None:
    """Lists the runs, newest first."""
    connection = connect(stack_name)
    found = Runs(connection, stack.describe(connection).run_table).recent(days)
    if as_json:
        _print_json([run.as_json() for run in found])
    elif found:
        display.console(sys.stdout).print(display.runs_table(found))
    else:
        say(f"No runs in the last {days} days. Start one: {display.program()} run FILE ...")


@main.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--watch", is_flag=True, help="Refresh until the run is over; the exit code then tells how it ended.")
@click.option("--platform", "of_platform", is_flag=True, help="Show the platform on this machine instead of a run.")
@_json_option
@click.pass_obj
def show(stack_name: str | None, run_id: str | None, watch: bool, of_platform: bool, as_json: bool) -> None:
    """Shows a run: its steps, its tasks, why it failed, what to do next.

    With --json the tasks are listed one by one, with the jobs and attempts that the run table has of them. Batch keeps
    ended jobs for about 7 days; after that only these are left.
    """
    if of_platform == (run_id is not None):
        raise click.UsageError("expected either RUN or --platform")
    if of_platform:
        _show_platform(as_json)
        return
    connection, deployed, workflow, found = _open(stack_name, check_run_id(run_id or ""))
    if watch:
        watcher = _watch_on_terminal if sys.stdout.isatty() and not as_json else _watch
        found = watcher(connection, deployed, workflow, found)
    if as_json:
        tasks = Tasks(connection, deployed, workflow, found).all()
        jobs = jobs_of_tasks(connection, deployed.run_table, found.run_id)
        shown = [{**task.as_json(), "jobs": jobs.get((task.state, task.index), [])} for task in tasks]
        _print_json({**found.as_json(), "tasks": shown})
    else:
        _show(connection, deployed, workflow, found)
    if watch and found.status != "SUCCEEDED":
        raise click.exceptions.Exit(1)


@main.command()
@_run_argument
@click.argument("task", required=False)
@click.pass_obj
def logs(stack_name: str | None, run_id: str, task: str | None) -> None:
    """Prints the logs of a run, or of one TASK of it (String_Repeat-3, String_Split, Job_Map)."""
    on_terminal = sys.stdout.isatty()
    for log in Logs(*_open(stack_name, run_id)).read(task):
        click.echo(f"=== {printable(log.heading)}")
        for line in log.lines:
            # A file gets the bytes that the job wrote; a terminal must not act on them.
            click.echo(printable(line.replace("\t", "    ")) if on_terminal else line)


@main.command()
@_run_argument
@click.option("-o", "--output", type=_PATH, required=True, help="Folder for the results.")
@click.pass_obj
def results(stack_name: str | None, run_id: str, output: Path) -> None:
    """Fetches the results of a run that succeeded; they replace files of the same names in the output folder."""
    for line in display.result_lines(run_results.fetch(*_open(stack_name, run_id), output)):
        click.echo(line)


@main.command()
@_run_argument
@click.pass_obj
def cancel(stack_name: str | None, run_id: str) -> None:
    """Ends a run and its jobs. A run that is over stays as it is, and that is no error."""
    connection = connect(stack_name)
    ended = cancel_run(connection, stack.describe(connection), run_id, say=say)
    if ended.status == "CANCELLED":
        say(f"Run {run_id} is cancelled")
    else:
        say(f"Run {run_id} was over before: {ended.status}")


@main.command()
@_run_argument
@_overwrite_option
@click.pass_obj
def resume(stack_name: str | None, run_id: str, overwrite: bool) -> None:
    """Continues a run that failed or was cancelled, redoing only what is missing or was made by other code.

    It goes on with the state machine and the jobs as they are deployed now. What is done stays done, unless the image,
    the command or the environment of its job has changed since, or of a job whose results it is made of.
    """
    again = resume_run(*_open(stack_name, run_id), overwrite=overwrite)
    click.echo(again.run_id)
    redone = f", making anew {', '.join(again.redo)}" if again.redo else ", with what is missing only"
    say(f"Run {again.run_id} goes on{redone}. Watch it: {display.program()} show {again.run_id} --watch")


@main.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@_json_option
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
        connection, deployed, workflow, found = _open(stack_name, check_run_id(run_id))
        workflows = [workflow]
    lines = examine(connection, deployed, workflows, found)
    if as_json:
        _print_json([line.as_json() for line in lines])
    else:
        display.console(sys.stdout).print(doctor_display.lines_table(lines))
        say(doctor_display.summary(lines))
    if has_findings(lines):
        raise click.exceptions.Exit(1)


def _open(stack_name: str | None, run_id: str) -> tuple[Connection, Stack, Workflow, Run]:
    """The run with its parameters, and what is needed to look at it."""
    connection = connect(stack_name)
    deployed = stack.describe(connection)
    all_runs = Runs(connection, deployed.run_table)
    found = all_runs.with_parameters(all_runs.get(run_id))
    if found.workflow not in workflow_folders.names():
        raise WrongInput(
            f"run {run_id}: found workflow {found.workflow!r}; expected one of the folders in workflows/: "
            f"{', '.join(workflow_folders.names())}"
        )
    return connection, deployed, workflow_folders.load(found.workflow), found


def _watch(connection: Connection, deployed: Stack, workflow: Workflow, submitted: Run) -> Run:
    ended = submitted
    with ProgressDisplay(display.console(sys.stderr)) as shown:
        for ended, counts in follow(connection, deployed, workflow, submitted):
            shown.update(ended, counts)
    return Run(**{**vars(ended), "parameters": submitted.parameters})


def _watch_on_terminal(connection: Connection, deployed: Stack, workflow: Workflow, submitted: Run) -> Run:
    ended = submitted
    with Live(console=display.console(sys.stdout), auto_refresh=False, transient=True) as live:
        for ended, counts in follow(connection, deployed, workflow, submitted):
            live.update(display.run_overview(ended, workflow, counts, []), refresh=True)
    return Run(**{**vars(ended), "parameters": submitted.parameters})


def _fetch(
    connection: Connection, deployed: Stack, workflow: Workflow, ended: Run, output: Path
) -> list[run_results.Result]:
    """The results of a run that was just watched; a failure says that the run itself is well, and how to go on."""
    try:
        with reporting_unreachable():
            return run_results.fetch(connection, deployed, workflow, ended, output)
    except (HpcError, OSError) as error:
        kind = type(error) if isinstance(error, HpcError) else HpcError
        raise kind(
            f"{error}\nRun {ended.run_id} SUCCEEDED, only its results were not fetched; fetch them: "
            f"{display.program()} results {ended.run_id} -o DIR"
        ) from error


def _show(connection: Connection, deployed: Stack, workflow: Workflow, found: Run) -> None:
    tasks = Tasks(connection, deployed, workflow, found)
    counts = tasks.counts(found)
    failures: list[Task] = []
    if any(count.failed for count in counts):
        failures = tasks.failures()
    display.console(sys.stdout).print(display.run_overview(found, workflow, counts, failures))


def _platform() -> platform.PlatformState:
    state = platform.find()
    if state is None:
        raise PlatformUnreachable(f"No platform is running on this machine. Start it: {display.program()} up")
    return state


def _show_platform(as_json: bool) -> None:
    state = _platform()
    shown = {name: asdict(state)[name] for name in ("pid", "endpoint_url", "web_url", "data_dir")}
    shown["api_url"] = api_url(to_laptop(state))
    if as_json:
        _print_json(shown)
    else:
        for name, value in shown.items():
            click.echo(f"{name}: {'none yet' if value is None else value}")


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2))
