"""Commands for the platform on this machine."""

from __future__ import annotations

import shlex

import click

from hpc.commands import display
from hpc.commands.group import say
from hpc.commands.opening import api_url, start_platform
from hpc.connecting import running_platform
from hpc.local import platform


@click.command()
@click.option("--port", type=click.IntRange(1024, 65535), help="Port on 127.0.0.1 [default: the last one, or 4566].")
def up(port: int | None) -> None:
    """Starts the platform on this machine, and deploys what changed."""
    state = start_platform(port)
    click.echo(f"Platform: {state.endpoint_url} (process {state.pid}), its data in {state.data_dir}")
    if state.web_url:
        click.echo(f"Page: {state.web_url}")
    else:
        say(f"The page does not answer; {state.data_dir}/logs/web.log may say why")
    say(f"Next: {display.program()} run FILE --project P --lines-per-shard N --output DIR")


@click.command()
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


@click.command()
def env() -> None:
    """Prints the environment for boto3 and the AWS CLI.

    For example: eval "$(hpc env)"; aws s3 ls
    """
    state = running_platform()
    values = {
        "AWS_ENDPOINT_URL": state.endpoint_url,
        "AWS_ACCESS_KEY_ID": state.access_key_id,
        "AWS_SECRET_ACCESS_KEY": state.secret_access_key,
        "AWS_REGION": state.region,
        "AWS_DEFAULT_REGION": state.region,
    }
    if url := api_url(state):
        values["HPC_API_URL"] = url
    # A token of another account's session would go with these keys.
    click.echo("unset AWS_SESSION_TOKEN AWS_PROFILE")
    for name, value in values.items():
        click.echo(f"export {name}={shlex.quote(value)}")
