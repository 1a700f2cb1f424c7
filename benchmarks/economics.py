"""What runs of 10 to 1,000,000 shards use and cost on AWS, from the definitions alone, beside plain inline Maps.

    python -m benchmarks.economics

Nothing is deployed and nothing is asked of AWS. The plain way has the same states, but inline Maps (40 iterations at a
time) that take one job a shard from the state.
"""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.estimate import (
    INLINE,
    MAX_EVENTS,
    MAX_PAYLOAD_BYTES,
    OURS,
    SUBMISSIONS_PER_S,
    Estimate,
    WorkflowFolder,
    estimate,
    most_shards,
)
from benchmarks.prices import PRICES, REGION
from benchmarks.s3_requests import KIB, SHARD_BYTES, STATES
from hpc.cost.execution_model import Fan
from settings import Settings

WORKFLOWS = Path(__file__).resolve().parents[1] / "workflows"
SHARDS = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
WIDTH = 140
GROUP_ABOVE: int = Settings.model_fields["group_above"].default


@click.command()
@click.option("--group-above", default=GROUP_ABOVE, show_default=True, help="The setting groupAbove.")
@click.option("--group-size", default=10_000, show_default=True, help="Children of an array job; Batch takes 10,000.")
@click.option("--shard-kib", default=SHARD_BYTES // KIB, show_default=True, help="Size of a shard, in KiB.")
def main(group_above: int, group_size: int, shard_kib: int) -> None:
    """Prints the tables of every workflow."""
    console = Console(width=WIDTH, highlight=False)
    for path in sorted(WORKFLOWS.glob("*/definition.asl.json")):
        folder = WorkflowFolder.read(path.parent)
        fans = [Fan(shards, group_above, group_size) for shards in SHARDS]
        ways = [(fan, way) for fan in fans for way in (OURS, INLINE)]
        estimates = [estimate(folder, fan, way=way, shard_bytes=shard_kib * KIB) for fan, way in ways]
        console.print(limits_table(path.parent.name, estimates))
        console.print(calls_table(estimates))
        console.print(dollars_table(estimates))
        console.print(where_inline_breaks(folder, fans[0]))
        unknown = sorted(name for name in estimates[0].usage.entered if requests_unknown(folder, name))
        if unknown:
            console.print(f"Not counted: the S3 requests of {', '.join(unknown)}; add them to s3_requests.STATES.")


def limits_table(title: str, estimates: list[Estimate]) -> Table:
    table = Table(
        *("shards", "way", "events of the parent", "largest payload, bytes", "child executions", "submissions"),
        *(f"minutes to submit at {SUBMISSIONS_PER_S}/s", "breaks"),
        title=f"{title}: a run against the limits of AWS",
    )
    for one in estimates:
        table.add_row(
            f"{one.shards:,}",
            one.way,
            f"{one.usage.events:,}",
            f"{one.usage.payload_bytes:,}",
            f"{one.usage.child_executions:,}",
            f"{one.submissions:,}",
            f"{one.submissions / SUBMISSIONS_PER_S / 60:,.1f}",
            "; ".join(one.broken) or "-",
        )
    return _right_aligned(table, left=("way", "breaks"))


def calls_table(estimates: list[Estimate]) -> Table:
    table = Table(
        *("shards", "way", "transitions", "SubmitJob", "Lambda", "S3 PUT", "S3 LIST", "S3 GET", "DynamoDB", "SNS"),
        title="API calls of a run",
    )
    for one in estimates:
        calls = one.usage.calls
        dynamodb = sum(number for call, number in calls.items() if call.startswith("dynamodb:"))
        counted = (
            one.usage.transitions,
            one.submissions,
            calls["lambda:invoke"],
            one.requests.puts,
            one.requests.lists,
            one.requests.gets + calls["s3:getObject"],
            dynamodb,
            calls["sns:publish"],
        )
        table.add_row(f"{one.shards:,}", one.way, *(f"{number:,}" for number in counted))
    return _right_aligned(table, left=("way",))


def dollars_table(estimates: list[Estimate]) -> Table:
    table = Table(
        *("shards", "way", "Step Functions", "Lambda", "S3 requests", "DynamoDB", "SNS", "USD a run", "USD a shard"),
        title=f"Orchestration in dollars ({REGION}, list prices of {PRICES.as_of}; without instances, storage, logs)",
    )
    for one in estimates:
        paid = one.dollars
        parts = (paid.step_functions, paid.functions, paid.s3, paid.dynamodb, paid.sns, paid.total)
        table.add_row(
            f"{one.shards:,}",
            one.way,
            *(f"{part:,.4f}" for part in parts),
            f"{paid.total / one.shards:.6f}" + (" *" if one.broken else ""),
        )
    table.caption = "* breaks a limit: the figure is what it would cost"
    return _right_aligned(table, left=("way",))


def where_inline_breaks(folder: WorkflowFolder, fan: Fan) -> str:
    """One sentence on how far plain inline Maps go."""
    said = []
    for limit in (f"{MAX_EVENTS:,} events", f"{MAX_PAYLOAD_BYTES // 1024} KiB"):
        most = most_shards(folder, fan, way=INLINE, limit=limit, at_most=100_000)
        said.append(f"{most:,} shards under {limit}" if most is not None else f"100,000 and more under {limit}")
    return f"Plain inline Maps go up to {' and '.join(said)}."


def requests_unknown(folder: WorkflowFolder, state: str) -> bool:
    """True for a state with a job or function of which s3_requests.py knows nothing."""
    works = (*folder.description.get("jobs", {}).values(), *folder.description.get("functions", {}).values())
    return state not in STATES and any(state in work["states"] for work in works)


def _right_aligned(table: Table, *, left: tuple[str, ...]) -> Table:
    for column in table.columns:
        column.justify = "left" if column.header in left else "right"
    return table


if __name__ == "__main__":
    main()
