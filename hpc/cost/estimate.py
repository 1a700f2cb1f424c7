"""What a run will cost, before it starts: by earlier runs of its workflow, else by what its jobs ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil, log
from typing import Any

from hpc.checks.compute import FIRST_TRY, Queue
from hpc.checks.sizes import size_of
from hpc.cost.attempts import SPOT, SPOT_SHARES, Size, hourly_cost, market_of
from hpc.cost.interval import Interval
from hpc.cost.prices import Prices
from hpc.job_definitions import Definitions
from hpc.run import Run
from hpc.workflows import Workflow

EARLIER_RUNS, JOB_DEFINITIONS = "earlier runs", "job definitions"
# Of the newest rows so many are looked at, and of the runs that fit so many count: those nearest in size.
ROWS_LOOKED_AT = 500
RUNS_COUNTED = 10
# What a cold Python with an S3 client takes before it does anything; measured on a laptop.
LEAST_TASK_S = 0.3


@dataclass(frozen=True)
class Work:
    """What a run has to do: the bytes of its input, and how many shards that makes, if that is known."""

    parameters: Mapping[str, Any]
    input_bytes: int
    shards: Interval | None


@dataclass(frozen=True)
class Estimate:
    """Between which amounts a run's cost is expected, by what; None where a price is not known."""

    cost: Interval | None
    basis: str
    runs: int = 0

    def with_services(self, services: Interval | None) -> Estimate:
        """The same with what the run costs besides its jobs, as far as that is known."""
        return replace(self, cost=self.cost + services) if self.cost and services else self

    def as_json(self) -> dict[str, Any]:
        earlier = {"runs": self.runs} if self.basis == EARLIER_RUNS else {}
        return {"cost_usd": self.cost.as_json() if self.cost else None, "basis": self.basis, **earlier}


@dataclass(frozen=True)
class Known:
    """What is known of an earlier run: its cost, and how many shards it had, if any."""

    cost: Interval
    shards: int | None


def by_earlier_runs(
    workflow: Workflow, work: Work, newest: Iterable[Run], known_of: Callable[[Run], Known | None]
) -> Estimate | None:
    """Each earlier run's cost, scaled by the bytes and by the shards that this one has more or fewer; None without any.

    What a run costs goes with both: a shard has a least cost, and a byte has one. So the lower bound takes the smaller
    ratio, the upper bound the larger one.
    """
    found = [run for run in islice(newest, ROWS_LOOKED_AT) if _is_like(run, workflow, work)]
    nearest = sorted(found, key=lambda run: abs(log(work.input_bytes / run.input_bytes)))[:RUNS_COUNTED]
    scaled = []
    for run in nearest:
        known = known_of(run)
        if known is not None:
            ratios = _ratios(work, run.input_bytes, known.shards)
            scaled.append(Interval(known.cost.low * ratios.low, known.cost.high * ratios.high))
    return Estimate(Interval.around(*scaled), EARLIER_RUNS, len(scaled)) if scaled else None


def _is_like(run: Run, workflow: Workflow, work: Work) -> bool:
    """A run that succeeded at once, on the same architecture."""
    return (
        (run.workflow, run.status, run.resumes) == (workflow.name, "SUCCEEDED", 0)
        and bool(run.input_bytes and work.input_bytes)
        and run.parameters.get("architecture") == work.parameters.get("architecture")
    )


def _ratios(work: Work, input_bytes: int, shards: int | None) -> Interval:
    """By how much larger the work is than a run's of so many bytes and shards: the smallest ratio and the largest."""
    of_bytes = Interval.exactly(work.input_bytes / input_bytes)
    if not shards or work.shards is None:
        return of_bytes
    return Interval.around(of_bytes, work.shards.times(1 / shards))


def by_job_definitions(
    workflow: Workflow, work: Work, definitions: Definitions, queues: Sequence[Queue], prices: Prices
) -> Estimate:
    """Between a cold start for each task, and each task's timeout at the dearest price that a first try may have."""
    costs = list(_of_jobs(workflow, work, definitions, queues, prices))
    known = [cost for cost in costs if cost is not None]
    return Estimate(Interval.total(known) if len(known) == len(costs) else None, JOB_DEFINITIONS)


def _of_jobs(
    workflow: Workflow, work: Work, definitions: Definitions, queues: Sequence[Queue], prices: Prices
) -> Iterator[Interval | None]:
    fan_outs = {step.state for step in workflow.steps if step.fan_out}
    groups = {step.group_state for step in workflow.steps if step.group_state}
    for job, states in workflow.jobs.items():
        hourly = _hourly(workflow, job, definitions[job], queues, prices)
        timeout_s = (definitions[job].get("timeout") or {}).get("attemptDurationSeconds")
        for state in states:
            if state in groups:
                continue
            tasks = work.shards if state in fan_outs else Interval.exactly(1)
            if hourly is None or timeout_s is None or tasks is None:
                yield None
            else:
                yield Interval(
                    hourly.low * tasks.low * LEAST_TASK_S / 3600, hourly.high * tasks.high * timeout_s / 3600
                )


def _hourly(
    workflow: Workflow, job: str, definition: Mapping[str, Any], queues: Sequence[Queue], prices: Prices
) -> Interval | None:
    asked = size_of(workflow.name, job, definition)
    size = Size(asked.vcpus, asked.memory_mib)
    found = []
    for queue in queues:
        if queue.use != FIRST_TRY:
            continue
        types = [name for environment in queue.usable for name in environment.instance_types]
        hourly = hourly_cost(size, types, prices)
        if hourly is None:
            return None
        is_spot = market_of(queue) == SPOT
        found.append(Interval(hourly.low * SPOT_SHARES.low, hourly.high) if is_spot else hourly)
    return Interval.around(*found) if found else None


def shards_of(workflow: Workflow, parameters: Mapping[str, Any], sample: bytes, input_bytes: int) -> Interval | None:
    """How many shards an object makes, by its beginning; exactly when that is all of it.

    Lines further on may be up to twice as long, or half as long, on average. None for a workflow without shards.
    """
    if workflow.sharding is None:
        return None
    per_shard = int(parameters[workflow.sharding.lines_per_shard_parameter])
    lines = max(sample.count(b"\n"), 1)
    if len(sample) >= input_bytes:
        whole = lines + (0 if sample.endswith(b"\n") or b"\n" not in sample else 1)
        return Interval.exactly(ceil(whole / per_shard))
    expected = lines / len(sample) * input_bytes / per_shard
    most = workflow.sharding.max_shards
    return Interval(min(max(ceil(expected / 2), 1), most), min(ceil(expected * 2), most))
