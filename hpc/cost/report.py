"""A run's cost and its estimate, as people and scripts ask for them: what the deployment knows, put together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from itertools import chain
from typing import Any

from hpc.checks.compute import Queue, read_queues
from hpc.checks.findings import COULD_NOT_LOOK
from hpc.connection import Connection, find_object
from hpc.cost.attempts import attempts_of
from hpc.cost.estimate import ROWS_LOOKED_AT, Estimate, Known, Work, by_earlier_runs, by_job_definitions, shards_of
from hpc.cost.interval import Interval
from hpc.cost.prices import Prices, read_prices
from hpc.cost.run_cost import Part, run_cost
from hpc.cost.services import Extent, good_run, services_of
from hpc.cost.spot_prices import SpotPrices
from hpc.job_definitions import Definitions
from hpc.run import Run
from hpc.runs import Runs
from hpc.stack import Stack
from hpc.task_rows import Task, jobs_of_tasks
from hpc.tasks import Tasks
from hpc.workflows import Workflow

_SAMPLE_BYTES = 256 * 1024
# Of earlier runs whose cost is not in their row yet: each is some calls more that a person waits for.
RUNS_COUNTED_ANEW = 3


class Costs:
    """Costs of the runs of a workflow in a deployment, which is looked at once."""

    def __init__(self, connection: Connection, deployed: Stack, workflow: Workflow) -> None:
        self._connection = connection
        self._deployed = deployed
        self._workflow = workflow
        self._runs = Runs(connection, deployed.run_table)

    def of(self, run: Run) -> dict[str, Any]:
        """What a run, which must have its parameters, costs so far; of one that is over, what it did cost.

        That is kept in its row from the first look on: instance types and Spot prices are known for 90 days at most.
        `is_settled` tells whether that is the last word; `estimate` is what was said before, `estimate_error` by what
        part of a bound the cost is beyond it.
        """
        if run.cost and run.is_settled:
            found = dict(run.cost)
        else:
            found = self._counted(run)
            if run.is_settled:
                self._runs.keep_cost(run, found)
        return {**found, "is_settled": run.is_settled, **_beside(run, found)}

    def estimate(
        self, parameters: Mapping[str, Any], definitions: Definitions, *, input_bytes: int, shards: int | None
    ) -> Estimate:
        """What a run is expected to cost; `shards` where they are counted already."""
        expected = self._sampled_shards(parameters, input_bytes) if shards is None else Interval.exactly(shards)
        work = Work(parameters, input_bytes, expected)
        newest = self._runs.newest(rows_at_once=ROWS_LOOKED_AT)
        anew = iter(range(RUNS_COUNTED_ANEW))

        def known(run: Run) -> Known | None:
            is_kept = bool(run.cost) and run.is_settled
            return self._known(run) if is_kept or next(anew, None) is not None else None

        if (found := by_earlier_runs(self._workflow, work, newest, known)) is not None:
            return found
        architecture = parameters.get("architecture")
        queues = [queue for queue in self._queues if architecture in (None, queue.architecture)] or self._queues
        by_jobs = by_job_definitions(self._workflow, work, definitions, queues, self._prices)
        services = good_run(self._workflow, self._definition, work.shards or Interval.exactly(0), self._prices)
        return by_jobs.with_services(services)

    @cached_property
    def _prices(self) -> Prices:
        return read_prices(region_of(self._connection))

    @cached_property
    def _queues(self) -> list[Queue]:
        return read_queues(self._connection, self._deployed)

    @cached_property
    def _definition(self) -> dict[str, Any]:
        """The workflow's state machine as it is deployed."""
        machine_arn = self._deployed.state_machine(self._workflow.name)
        machine = self._connection.client("stepfunctions").describe_state_machine(stateMachineArn=machine_arn)
        return dict(json.loads(machine["definition"]))

    def _known(self, run: Run) -> Known | None:
        try:
            found = self.of(run)
        except COULD_NOT_LOOK:
            return None
        return Known(Interval.of_json(found["cost_usd"]), found["shards"]) if found["cost_usd"] else None

    def _counted(self, run: Run) -> dict[str, Any]:
        tasks = jobs_of_tasks(self._connection, self._deployed.run_table, run.run_id)
        queues = {queue.name: queue for queue in self._queues}
        now = datetime.now(UTC)
        attempts = attempts_of(chain.from_iterable(tasks.values()), queues, now)
        shards = Tasks(self._connection, self._deployed, self._workflow, run).shard_count()
        found = run_cost(
            attempts,
            self._prices,
            spot_cost=SpotPrices(self._connection, attempts).cost,
            root_volume_gib=self._deployed.root_volume_gib,
            services=self._services(tasks, shards or 0),
        )
        return {**found.as_json(), "shards": shards}

    def _services(self, tasks: Mapping[Task, Sequence[Any]], shards: int) -> dict[str, Part]:
        """What goes with the jobs that there were; nothing as long as there was none."""
        # A child of a group, which has a ':' in its id, was submitted with it.
        states = Counter(state for (state, _), jobs in tasks.items() for job in jobs if ":" not in job["job_id"])
        if not states:
            return {}
        groups = {step.group_state for step in self._workflow.steps if step.group_state}
        fan_outs = {step.state for step in self._workflow.steps if step.fan_out} | groups
        extent = Extent(
            shards=shards,
            in_groups=any(state in groups for state, _ in tasks),
            jobs=states.total(),
            fan_out_jobs=sum(count for state, count in states.items() if state in fan_outs),
        )
        return services_of(self._workflow, self._definition, extent, self._prices)

    def _sampled_shards(self, parameters: Mapping[str, Any], input_bytes: int) -> Interval | None:
        """By the beginning of the input; None for a workflow without one, or where it cannot be read."""
        upload = self._workflow.upload
        if upload is None:
            return None
        if not input_bytes:  # of which S3 gives no range
            return shards_of(self._workflow, parameters, b"", 0)
        bucket, key = str(parameters[upload.bucket_parameter]), str(parameters[upload.key_parameter])
        found = find_object(self._connection, bucket, key, Range=f"bytes=0-{_SAMPLE_BYTES - 1}")
        return shards_of(self._workflow, parameters, found["Body"].read(), input_bytes) if found is not None else None


def region_of(connection: Connection) -> str:
    """The Region whose prices hold."""
    return str(connection.client("batch").meta.region_name)


def _beside(run: Run, found: Mapping[str, Any]) -> dict[str, Any]:
    """The estimate of before, and how far off it is."""
    said = run.estimate.get("cost_usd")
    error = None
    if said and said["high"] and found["cost_usd"] and run.status == "SUCCEEDED":
        error = error_of(Interval.of_json(said), Interval.of_json(found["cost_usd"]))
    return {"estimate": dict(run.estimate) or None, "estimate_error": error}


def error_of(said: Interval, cost: Interval) -> float:
    """0.0 for a cost within what was said; 0.5 for one half as much again as the upper bound; below: negative."""
    if cost.low > said.high:
        return round(cost.low / said.high - 1, 3)
    if cost.high < said.low:
        return round(cost.high / said.low - 1, 3)
    return 0.0
