"""What commands begin with: the platform of this machine, or a run here or on AWS."""

from __future__ import annotations

from hpc import stack, workflow_folders
from hpc.api_address import find_api_url
from hpc.commands.group import say
from hpc.connecting import connect, to_laptop
from hpc.connection import Connection
from hpc.errors import WrongInput
from hpc.local import platform
from hpc.local.recovery import continue_runs
from hpc.run import Run
from hpc.runs import Runs
from hpc.stack import Stack
from hpc.workflows import Workflow


def start_platform(port: int | None = None) -> platform.PlatformState:
    """The laptop platform, started if it is not up, with its page."""
    return platform.up(port=port, say=say, continue_runs=continue_runs, api_url=api_url)


def api_url(state: platform.PlatformState) -> str | None:
    """Where the API of the laptop platform answers; None when it is not deployed."""
    return find_api_url(to_laptop(state))


def open_run(stack_name: str | None, run_id: str) -> tuple[Connection, Stack, Workflow, Run]:
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
