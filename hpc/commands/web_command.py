"""The command for the page."""

from __future__ import annotations

import click

from hpc.api_address import api_url
from hpc.commands import display
from hpc.commands.group import say
from hpc.connecting import running_platform, to_aws
from hpc.connection import caller
from hpc.errors import PlatformUnreachable, WrongInput
from hpc.page import Page, check_is_installed, choose_port, ended_as_by_ctrl_c, serving


@click.command()
@click.option(
    "--target",
    type=click.Choice(["laptop", "aws"]),
    help="Whose page: of the platform on this machine, or of the stack of --stack [default: aws if there is --stack].",
)
@click.option(
    "--port", type=click.IntRange(1024, 65535), help="Port on 127.0.0.1, for aws [default: 8080, or a free one]."
)
@click.pass_obj
def web(stack_name: str | None, target: str | None, port: int | None) -> None:
    """Serves the page on this machine for a stack on AWS, until Ctrl-C.

    For example: hpc --stack Production-abc web. It listens on 127.0.0.1 only, and works with the AWS credentials
    and Region of this shell: whoever uses this machine can open it, and acts as you. For the platform on this machine
    `hpc up` serves the page; without --stack this says where.
    """
    if (target or ("aws" if stack_name else "laptop")) == "aws":
        _serve(_checked(stack_name), port)
    elif port is not None:
        raise click.UsageError("--port goes with --stack NAME: of the platform on this machine, hpc up serves the page")
    else:
        _show_page_of_laptop()


def _serve(stack_name: str, port: int | None) -> None:
    check_is_installed()
    chosen = choose_port(port)
    connection = to_aws(stack_name)
    owner = caller(connection)
    page = Page(port=chosen, api_endpoint=api_url(connection), region=connection.session.region_name)
    with ended_as_by_ctrl_c():
        try:
            with serving(page) as process:
                click.echo(f"Page: {page.url}")
                say(f"It works with {stack_name} in {page.region} as {owner}. Ctrl-C ends it")
                exit_code = process.wait()
        except KeyboardInterrupt:
            say("The page is ended; runs go on")
            return
    raise PlatformUnreachable(f"The page ended by itself, with exit code {exit_code}; what it said is above")


def _show_page_of_laptop() -> None:
    url = running_platform().web_url
    if url is None:
        raise PlatformUnreachable("The platform on this machine serves no page. Start it again: hpc up")
    click.echo(f"Page: {url}")
    say(f"hpc up serves it. For a stack on AWS: {display.program()} --stack Production-<user> web")


def _checked(stack_name: str | None) -> str:
    expected = "expected the stack of the runs, such as Production-abc: hpc --stack Production-abc web"
    if not stack_name:
        raise WrongInput(f"--stack: found nothing (nor HPC_STACK); {expected}")
    if not stack_name.startswith("Production-"):
        raise WrongInput(f"--stack: found {stack_name!r}; {expected}")
    return stack_name
