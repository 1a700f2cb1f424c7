"""What `hpc cost` and `hpc prices` print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hpc.cost.estimate import EARLIER_RUNS
from hpc.cost.prices import Prices
from hpc.wording import plural, printable

_NAMES = {
    "cost_usd": "In all",
    "on_demand_usd": "Instances on demand",
    "spot_usd": "Spot instances",
    "disks_usd": "Disks of the instances",
    "step_functions_usd": "Step Functions",
    "functions_usd": "Lambda",
    "requests_usd": "S3 requests",
    "table_usd": "DynamoDB and SNS",
    "failed_attempts_usd": "Of it, attempts that failed",
}
_SMALLEST = 0.0001
_NONE = {"low": 0.0, "high": 0.0}


def dollars(amount: Mapping[str, float] | None) -> str:
    """
    >>> dollars({"low": 0.01234, "high": 0.01234}), dollars({"low": 1, "high": 2.5}), dollars(None)
    ('0.0123 USD', '1.00 to 2.50 USD', 'unknown')
    >>> dollars({"low": 0.0000001, "high": 0.00056})
    'under 0.0001 to 0.0006 USD'
    """
    if amount is None:
        return "unknown"
    low, high = (_number(amount[bound]) for bound in ("low", "high"))
    return f"{low} USD" if low == high else f"{low} to {high} USD"


def estimate_line(estimate: Mapping[str, Any]) -> str:
    """What a run is expected to cost, and by what."""
    runs = estimate.get("runs", 0)
    by = plural(runs, "earlier run") if estimate["basis"] == EARLIER_RUNS else "what its jobs may use at most"
    return f"{dollars(estimate['cost_usd'])}, by {by}"


def cost_overview(run_id: str, cost: Mapping[str, Any]) -> RenderableType:
    """A run's cost by what it is of, beside its estimate, and what is not in it."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    for name, words in _NAMES.items():
        if name in cost and cost[name] != _NONE:
            table.add_row(words, dollars(cost[name]), style="bold" if name == "cost_usd" else "")
    if cost["estimate"]:
        table.add_row("Estimate before", estimate_line(cost["estimate"]))
    if cost["estimate_error"] is not None:
        table.add_row("Off the estimate", error_words(cost["estimate_error"]))
    state = "" if cost["is_settled"] else " so far"
    head = Text(f"Run {run_id}{state}, at prices of {cost['prices_as_of']} in {cost['region']}")
    return Group(head, Text(), table, *(Text(f"- {printable(note)}", style="dim") for note in cost["notes"]))


def error_words(error: float) -> str:
    """
    >>> error_words(0.0), error_words(0.25), error_words(-0.5)
    ('0 %: within it', '25 % above it', '50 % below it')
    """
    if error == 0:
        return "0 %: within it"
    return f"{abs(error):.0%}".replace("%", " %") + (" above it" if error > 0 else " below it")


def prices_table(prices: Prices) -> Table:
    """The prices of a Region."""
    table = Table(box=None, pad_edge=False, title=f"{prices.region}, prices of {prices.as_of}", title_justify="left")
    table.add_column("WHAT", no_wrap=True)
    table.add_column("USD", justify="right", no_wrap=True)
    for family, price in sorted(prices.vcpu_hour.items()):
        table.add_row(f"{family}, on demand, a vCPU an hour", f"{price:g}")
    if prices.gp3_gib_month is not None:
        table.add_row("EBS gp3, a GiB a month", f"{prices.gp3_gib_month:g}")
    for name, price in prices.services.items():
        table.add_row(name.replace("_", " "), f"{price:.10f}".rstrip("0"))
    return table


def _number(value: float) -> str:
    if value >= 1:
        return f"{value:,.2f}"
    return f"{value:.4f}" if value >= _SMALLEST else f"under {_SMALLEST}"
