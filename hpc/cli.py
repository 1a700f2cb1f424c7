"""The `hpc` command: thin commands over the functions of this package.

Exit codes: 0 it was done (and the run succeeded), 1 the run failed, 2 wrong usage or input, 3 the platform cannot be
reached or could not run this, 130 interrupted. Results go to standard output, everything else to standard error.
"""

from __future__ import annotations

import click

from hpc.commands.cost_commands import cost, prices
from hpc.commands.group import HpcGroup
from hpc.commands.look_commands import doctor, logs, results, runs, show
from hpc.commands.platform_commands import down, env, up
from hpc.commands.run_commands import cancel, resume, run, submit
from hpc.commands.web_command import web


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
    2 wrong usage or input; 3 the platform cannot be reached, or could not run this.
    """
    ctx.obj = stack_name


for _command in (up, down, env, web, run, submit, cancel, resume, runs, show, logs, results, cost, doctor, prices):
    main.add_command(_command)
