"""What a run costs besides instances: Step Functions, Lambda, S3 requests, rows and messages.

Nobody bills these by run. So they are what a good run of this definition uses, times how many of its jobs there were:
half of them in mid-run, more than all of them after tries that failed. Storage, logs, data transfer and what the
platform costs while idle are not of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from hpc.cost.execution_model import Fan, UndecidedChoice, Usage, run_usage
from hpc.cost.interval import Interval
from hpc.cost.prices import Prices
from hpc.cost.run_cost import Part
from hpc.workflows import Workflow

# Source: https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html
GROUP_SIZE = 10_000
# Requests of one shard in one branch: it reads the shard, writes its output and its record (docs/job-contract.md), may
# read a list first, and large ones go in parts; the merge reads its record, and its output unless S3 copies that.
SHARD_PUTS, SHARD_GETS = Interval(2, 4), Interval(2, 4)
# The split writes each shard once; what lists, and what there is once a run, is below this.
SPLIT_PUTS, RUN_REQUESTS = 1, Interval(10, 60)
# Seconds of an invocation: a start, and what was measured for a thousand shards (lambda/README.md).
INVOCATION_S, THOUSAND_SHARDS_S = Interval(0.1, 1.5), 0.2
_MIB_PER_GIB = 1024
NAMES = ("step_functions", "functions", "requests", "table")
# The model walks any definition, and knows no more of Amazon States Language than the workflows that there are need.
_NOT_UNDERSTOOD = (UndecidedChoice, LookupError, TypeError, AttributeError)


@dataclass(frozen=True)
class Extent:
    """How large a run is: its shards (0 in a workflow without), whether in groups, and the jobs that there were.

    Of these, `fan_out_jobs` had shards. Both are None for as many as a good run has.
    """

    shards: int
    in_groups: bool
    jobs: int | None = None
    fan_out_jobs: int | None = None


def services_of(workflow: Workflow, definition: Mapping[str, Any], extent: Extent, prices: Prices) -> dict[str, Part]:
    """Each service's part of a run's cost, by name; unknown where the definition or a price is not understood."""
    fan = Fan(extent.shards, 0 if extent.in_groups else extent.shards, GROUP_SIZE)
    try:
        usage = run_usage(definition, fan, tuple(parameter.name for parameter in workflow.parameters))
    except _NOT_UNDERSTOOD as error:
        said = f"Step Functions, Lambda, S3 requests and rows not in the cost: {type(error).__name__}: {error}"
        return {name: Part(None, (said,) if name == NAMES[0] else ()) for name in NAMES}
    jobs = usage.calls["batch:submitJob"]
    share = extent.jobs / jobs if jobs and extent.jobs is not None else 1.0
    counted = (
        {"transition": Interval.exactly(usage.transitions * share)},
        _functions(workflow, usage, extent, share),
        _requests(workflow, extent),
        _rows_and_messages(usage, share),
    )
    return {name: _part(name, amounts, prices) for name, amounts in zip(NAMES, counted, strict=True)}


def good_run(workflow: Workflow, definition: Mapping[str, Any], shards: Interval, prices: Prices) -> Interval | None:
    """The services of a run that goes well: from few shards in groups to many without; None where not all is known."""
    totals = []
    for number, in_groups in ((shards.low, True), (shards.high, False)):
        parts = services_of(workflow, definition, Extent(round(number), in_groups), prices).values()
        known = [part.usd for part in parts if part.usd is not None]
        if len(known) < len(parts):
            return None
        totals.append(Interval.total(known))
    return Interval(totals[0].low, totals[1].high)


def _part(name: str, amounts: Mapping[str, Interval], prices: Prices) -> Part:
    missing = [each for each in amounts if each not in prices.services]
    if missing:
        words = f"{name.replace('_', ' ')} not in the cost: no price is known of {', '.join(missing)}"
        return Part(None, (f"{words} in {prices.region}",))
    costs = [amount.times(prices.services[each]) for each, amount in amounts.items()]
    return Part(Interval(sum(cost.low for cost in costs), sum(cost.high for cost in costs)))


def _functions(workflow: Workflow, usage: Usage, extent: Extent, share: float) -> dict[str, Interval]:
    seconds = INVOCATION_S + Interval(0, extent.shards / 1000 * THOUSAND_SHARDS_S)
    gib = [workflow.function_memory_mib[name] / _MIB_PER_GIB for name in workflow.functions]
    calls = usage.calls["lambda:invoke"] * share
    size = Interval(min(gib, default=0), max(gib, default=0))
    return {
        "invocation": Interval.exactly(calls),
        "lambda_gb_s": Interval(calls * seconds.low * size.low, calls * seconds.high * size.high),
    }


def _requests(workflow: Workflow, extent: Extent) -> dict[str, Interval]:
    branches = sum(1 for step in workflow.steps if step.fan_out)
    of_shards: float = extent.shards * branches
    if extent.fan_out_jobs is not None and of_shards:
        jobs = branches * (ceil(extent.shards / GROUP_SIZE) if extent.in_groups else extent.shards)
        of_shards *= extent.fan_out_jobs / jobs
    split = Interval.exactly(extent.shards * SPLIT_PUTS)
    return {
        "s3_put_or_list": SHARD_PUTS.times(of_shards) + split + RUN_REQUESTS,
        "s3_get": SHARD_GETS.times(of_shards) + RUN_REQUESTS,
    }


def _rows_and_messages(usage: Usage, share: float) -> dict[str, Interval]:
    """The machine's own writes, and for each job its row in advance and at most one write a change of its state."""
    own = usage.calls["dynamodb:updateItem"] + usage.calls["dynamodb:putItem"]
    jobs, publishes = usage.calls["batch:submitJob"] * share, usage.calls["sns:publish"]
    return {
        "dynamodb_write": Interval(own + 2 * jobs, own + 7 * jobs),
        "sns_publish": Interval.exactly(publishes),
        "sns_mail": Interval.exactly(publishes),
    }
