"""Commands that start runs, end them, and go on with them."""

from __future__ import annotations

import time
from pathlib import Path

import click

from hpc import file_submission, objects, parameters, stack, submission, workflow_folders
from hpc import results as run_results
from hpc.cancel import cancel as cancel_run
from hpc.commands import cost_display, display
from hpc.commands.group import INTERRUPTED, say
from hpc.commands.opening import open_run, start_platform
from hpc.commands.options import (
    PATH,
    WorkflowCommand,
    chosen_name,
    given_parameters,
    overwrite_option,
    run_argument,
)
from hpc.commands.watching import show_run, watch_run
from hpc.connecting import connect
from hpc.connection import Connection, caller, reporting_unreachable
from hpc.errors import HpcError
from hpc.resume import resume as resume_run
from hpc.run import Run
from hpc.stack import Stack
from hpc.workflows import Workflow


@click.command(cls=WorkflowCommand, without_upload=True)
@click.argument("file", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="Folder for the results.")
@overwrite_option
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
    state = None if stack_name else start_platform()
    connection = connect(stack_name)
    deployed = stack.describe(connection)
    submitted = file_submission.submit_file(connection, deployed, workflow, values, local, overwrite=overwrite, say=say)
    try:
        say(f"Run {submitted.run_id} of workflow {workflow.name}, project {submitted.project}")
        _say_estimate(submitted, on_laptop=stack_name is None)
        ended = watch_run(connection, deployed, workflow, submitted)
    except KeyboardInterrupt:
        hpc = display.program()
        say(
            f"\nRun {submitted.run_id} goes on without you. Watch it: {hpc} show {submitted.run_id} --watch; "
            f"end it: {hpc} cancel {submitted.run_id}"
        )
        raise click.exceptions.Exit(INTERRUPTED) from None
    if ended.status != "SUCCEEDED":
        show_run(connection, deployed, workflow, ended)
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


@click.command(cls=WorkflowCommand)
@click.argument("file", required=False, type=PATH)
@overwrite_option
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
        deployed = stack.describe(connection)
        submitted = file_submission.submit_file(
            connection, deployed, workflow, values, local, overwrite=overwrite, say=say
        )
    click.echo(submitted.run_id)
    _say_estimate(submitted, on_laptop=stack_name is None)
    say(f"Watch it: {display.program()} show {submitted.run_id} --watch")


@click.command()
@run_argument
@click.pass_obj
def cancel(stack_name: str | None, run_id: str) -> None:
    """Ends a run and its jobs. A run that is over stays as it is, and that is no error."""
    connection = connect(stack_name)
    ended = cancel_run(connection, stack.describe(connection), run_id, say=say)
    if ended.status == "CANCELLED":
        say(f"Run {run_id} is cancelled")
    else:
        say(f"Run {run_id} was over before: {ended.status}")


@click.command()
@run_argument
@overwrite_option
@click.pass_obj
def resume(stack_name: str | None, run_id: str, overwrite: bool) -> None:
    """Continues a run that failed or was cancelled, redoing only what is missing or was made by other code.

    It goes on with the state machine and the jobs as they are deployed now. What is done stays done, unless the image,
    the command or the environment of its job has changed since, or of a job whose results it is made of.
    """
    again = resume_run(*open_run(stack_name, run_id), overwrite=overwrite)
    click.echo(again.run_id)
    redone = f", making anew {', '.join(again.redo)}" if again.redo else ", with what is missing only"
    say(f"Run {again.run_id} goes on{redone}. Watch it: {display.program()} show {again.run_id} --watch")


def _say_estimate(submitted: Run, *, on_laptop: bool) -> None:
    if not submitted.estimate:
        return
    if submitted.estimate["cost_usd"] is None:
        say(f"What it {'would cost on AWS' if on_laptop else 'will cost'} is not known beforehand")
    else:
        line = cost_display.estimate_line(submitted.estimate)
        say(f"{'On AWS it would' if on_laptop else 'It is expected to'} cost {line}")


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
