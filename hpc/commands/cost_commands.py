"""Commands about money."""

from __future__ import annotations

import sys

import click

from hpc import stack
from hpc.commands import cost_display, display
from hpc.commands.group import say
from hpc.commands.look_commands import print_json
from hpc.commands.opening import open_run
from hpc.commands.options import json_option, run_argument
from hpc.connecting import connect
from hpc.cost.prices import read_prices, read_table, write_table
from hpc.cost.refresh import refreshed
from hpc.cost.report import Costs, region_of
from hpc.errors import WrongInput


@click.command()
@run_argument
@json_option
@click.pass_obj
def cost(stack_name: str | None, run_id: str, as_json: bool) -> None:
    """Shows what a run costs on AWS, so far or in the end, beside what was expected.

    A laptop costs nothing: of runs there it is what the same time of the same jobs would cost on demand.
    """
    connection, deployed, workflow, found = open_run(stack_name, run_id)
    shown = Costs(connection, deployed, workflow).of(found)
    if as_json:
        print_json({"run_id": run_id, **shown})
    else:
        display.console(sys.stdout).print(cost_display.cost_overview(run_id, shown))


@click.command()
@click.option("--region", help="A Region of AWS; else that of the platform.")
@click.option("--family", "families", multiple=True, help="An instance family to ask for, too; may be repeated.")
@click.option("--refresh", is_flag=True, help="Ask AWS's Price List API (pricing:GetProducts) and rewrite the table.")
@click.pass_obj
def prices(stack_name: str | None, region: str | None, families: tuple[str, ...], refresh: bool) -> None:
    """Shows the list prices that costs are made of; with --refresh makes those of a Region anew.

    The table is hpc/cost/prices.json; deploy again after a refresh, so that the page and the API have it, too.
    """
    if families and not refresh:
        raise click.UsageError("--family goes with --refresh")
    if region is None:
        connection = connect(stack_name)
        stack.describe(connection)
        region = region_of(connection)
    if refresh:
        table = read_table()
        known = {family for each in table["regions"].values() for family in each.get("vcpu_hour", {})}
        write_table(refreshed(table, region, sorted(known | {*families})))
        say(f"The prices of {region} are those of today; what changed: git diff hpc/cost/prices.json")
    found = read_prices(region)
    if not found.vcpu_hour:
        others = ", ".join(sorted(read_table()["regions"]))
        raise WrongInput(
            f"--region: found {region!r}, of which no price is known; expected one of {others}; "
            f"or ask AWS: {display.program()} prices --region {region} --refresh"
        )
    display.console(sys.stdout).print(cost_display.prices_table(found))
