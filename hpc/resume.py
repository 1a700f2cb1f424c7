"""Continues a run in another execution of the newest state machine, redoing what is missing or was made by other code.

The order makes it safe to be interrupted, and to be done twice at once: nothing is changed before the run's row is, by
a conditional write that one of several wins. A resume that ends between that write and the start of the execution
leaves a run that was never started, which can be resumed again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hpc import job_definitions, objects, stack
from hpc.cancel import has_running_map
from hpc.connection import Connection
from hpc.errors import Conflict
from hpc.jobs import unfinished_jobs
from hpc.lease import Lease
from hpc.readiness import check_ready
from hpc.remains import Shards, shards_of
from hpc.run import Run, as_text, now
from hpc.runs import Runs, was_interrupted
from hpc.stack import Stack
from hpc.submission import etag_of, execution_arn, start_execution
from hpc.wording import plural, quoted
from hpc.workflows import PROJECT, Workflow

# S3 tells times in whole seconds: records from before and from after the start of the execution must differ in them.
REST_S = 2.0


@dataclass(frozen=True)
class Plan:
    """What the next execution does: `redo` are the states whose records count from its own start on."""

    split_done: bool
    redo: frozenset[str]
    made_since: Mapping[str, str]

    def as_input(self) -> dict[str, Any]:
        """What the state machine reads of it."""
        return {"split_done": self.split_done, "redo": sorted(self.redo), "made_since": dict(self.made_since)}


def resume(
    connection: Connection,
    deployed: Stack,
    workflow: Workflow,
    run: Run,
    *,
    overwrite: bool = False,
    rest_s: float = REST_S,
) -> Run:
    """The run as it goes on. `run` must have its parameters.

    Raises Conflict for a run that goes on or succeeded, whose input is another one by now, or whose project is another
    run's; WrongInput when its input is gone, archived or no longer allowed; PlatformUnreachable when its jobs would
    wait for ever.
    """
    runs = Runs(connection, deployed.run_table)
    if not run.is_final and not was_interrupted(runs.execution(run.execution_arn)):
        raise _still_going(run)
    if run.status == "SUCCEEDED":
        raise Conflict(
            f"run {run.run_id}: found it SUCCEEDED; expected one that has failed or was cancelled; there is nothing to "
            f"do, fetch its results: hpc results {run.run_id} -o DIR"
        )
    _check_leftovers(connection, deployed, runs, run)
    definitions = job_definitions.newest(connection, deployed, workflow)
    check_ready(connection, deployed, workflow, run.parameters.get("architecture"), definitions)
    return restart(connection, deployed, workflow, run, definitions, overwrite=overwrite, rest_s=rest_s)


def plan(connection: Connection, workflow: Workflow, runs: Runs, run: Run, changed_jobs: Collection[str]) -> Plan:
    """What to do of a run: what is missing, and all that follows from jobs that have other code now.

    What the execution before had to redo counts from its start on; all of it is to be redone still if it never started.
    """
    execution = runs.execution(run.execution_arn) if run.redo else None
    made_since, redo = dict(run.made_since), set[str]()
    if execution is None:
        redo |= set(run.redo)
    else:
        made_since |= dict.fromkeys(run.redo, as_text(execution["startDate"]))
    redo |= workflow.with_later_steps([state for job in changed_jobs for state in workflow.jobs[job]])
    split = workflow.splitting_state
    split_done = False
    if split is not None and split not in redo:
        shards = shards_of(connection, workflow, run, made_since)
        if shards is Shards.REPLACED:
            redo |= {step.state for step in workflow.steps}
        elif shards is Shards.EXPIRED:
            redo.add(split)  # if it fails, its old record must not speak for it
        split_done = shards is Shards.WHOLE
    return Plan(split_done=split_done, redo=frozenset(redo), made_since=made_since)


def next_number(run: Run) -> int:
    """The number of the next execution; an execution that a person started by hand counts as the first."""
    found = re.search(rf":{re.escape(run.run_id)}-([0-9]+)$", run.execution_arn)
    return int(found[1]) + 1 if found else 2


def restart(
    connection: Connection,
    deployed: Stack,
    workflow: Workflow,
    run: Run,
    definitions: job_definitions.Definitions,
    *,
    overwrite: bool,
    rest_s: float,
) -> Run:
    """The run in its next execution, with these jobs; nothing of the last one may be left.

    Raises Conflict when it cannot go on.
    """
    runs = Runs(connection, deployed.run_table)
    machine_arn = deployed.state_machine(workflow.name)
    stack.check_buckets(deployed, workflow, run.parameters)
    _check_input(connection, workflow, run)
    lease = Lease(connection, deployed, str(run.parameters[PROJECT]))
    lease.check(
        input_uri=workflow.input_uri(run.parameters),
        input_etag=run.input_etag,
        overwrite=overwrite,
        run_id=run.run_id,
    )
    code = job_definitions.code_ids(connection, definitions)
    planned = plan(connection, workflow, runs, run, [job for job in code if run.code.get(job) != code[job]])
    if planned.redo:
        time.sleep(rest_s)
    again = replace(
        run,
        status="PENDING",
        execution_arn=execution_arn(machine_arn, run.run_id, next_number(run)),
        code=code,
        redo=tuple(sorted(planned.redo)),
        made_since=planned.made_since,
        resumes=run.resumes + 1,
        resumed_at=now(),
        reasons=(),
        reason_count=0,
        started_at="",
        stopped_at="",
    )
    if not runs.restart(run, again):
        raise Conflict(
            f"run {run.run_id}: found that it was resumed or ended by somebody else at the same time; expected it to "
            f"stay as it was; look at it: hpc show {run.run_id}"
        )
    lease.give_back(run.run_id, execution_arn=run.execution_arn)
    given = {"resumes": again.resumes, **planned.as_input()}
    start_execution(connection, runs, again, machine_arn, job_definitions.arns_of(definitions), **given)
    return again


def _still_going(run: Run) -> Conflict:
    return Conflict(
        f"run {run.run_id}: found it still going ({run.status}); expected one that has failed or was cancelled; "
        f"watch it: hpc show {run.run_id} --watch; or end it: hpc cancel {run.run_id}"
    )


def _check_leftovers(connection: Connection, deployed: Stack, runs: Runs, run: Run) -> None:
    """Refuses a run with jobs that its last execution left, or a Map that may submit others; raises Conflict.

    They are not ended here: another resume at the same time may have started them.
    """
    jobs = unfinished_jobs(connection, deployed.queues(None), run.run_id)
    # A Map ends a little after its execution; a restarted emulator calls one of a dead execution running for ever.
    map_goes_on = not connection.is_laptop and has_running_map(connection, run.execution_arn)
    if not jobs and not map_goes_on:
        return
    latest = runs.get(run.run_id)
    if latest.execution_arn != run.execution_arn:
        raise _still_going(latest)
    found = plural(len(jobs), "job") if jobs else "a Map"
    raise Conflict(
        f"run {run.run_id}: found {found} of it still going, though the run is over; expected none; end what is left, "
        f"then resume again: hpc cancel {run.run_id}"
    )


def _check_input(connection: Connection, workflow: Workflow, run: Run) -> None:
    """Refuses a run whose input is gone or archived (WrongInput), or another one by now (Conflict)."""
    if workflow.upload is None:
        return
    bucket, key = (
        str(run.parameters[name]) for name in (workflow.upload.bucket_parameter, workflow.upload.key_parameter)
    )
    etag = etag_of(objects.check_object(connection, bucket, key))
    if run.input_etag and etag != run.input_etag:
        raise Conflict(
            f"run {run.run_id}: found another version of its input {quoted(f's3://{bucket}/{key}', limit=800)} (ETag "
            f"{etag}); expected the one that it began with (ETag {run.input_etag}); put that one back, or submit a new "
            "run"
        )
