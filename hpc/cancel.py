"""Ends a run: its execution, its jobs, its row, its lease. In this order, and as often as one likes."""

from __future__ import annotations

import time
from collections.abc import Callable

from botocore.exceptions import ClientError

from hpc.connection import Connection, error_code
from hpc.errors import HpcError
from hpc.jobs import unfinished_jobs
from hpc.lease import Lease
from hpc.run import Run
from hpc.runs import Runs
from hpc.stack import Stack
from hpc.wording import plural

REASON = "cancelled by hpc cancel"
# A job gets 30 s between SIGTERM and SIGKILL, and Batch takes its time to notice.
WAIT_FOR_JOBS_S = 300.0
_POLL_S = 1.0
# What Step Functions says to a StopExecution that comes too late.
_NOT_GOING = frozenset({"ExecutionDoesNotExist", "ValidationException"})


def cancel(
    connection: Connection,
    stack: Stack,
    run_id: str,
    *,
    say: Callable[[str], None],
    wait_s: float = WAIT_FOR_JOBS_S,
    poll_s: float = _POLL_S,
    execution_arn: str | None = None,
) -> Run:
    """The run as it is afterwards: CANCELLED, or how it had ended before.

    Cleans up after a run that is over as well: jobs that are still at work end, and the project gets free. Leaves a run
    alone that is resumed meanwhile; `execution_arn` is the execution that was meant when this was asked for.
    Raises HpcError when its jobs and Maps do not end within `wait_s` seconds; the lease stays taken then.
    """
    runs = Runs(connection, stack.run_table)
    run = runs.get(run_id)
    meant = run.execution_arn if execution_arn is None else execution_arn

    def is_meant() -> bool:
        row = runs.row(run_id)
        return row is not None and row.execution_arn == meant

    if run.execution_arn != meant:
        return run
    # A Map of an execution that ended earlier submits nothing, but an emulator that was restarted calls it RUNNING.
    stopped_arn = None
    if not run.is_final and run.execution_arn and _stop(connection, run.execution_arn):
        stopped_arn = run.execution_arn
    waits = {"wait_s": wait_s, "poll_s": poll_s}
    end_jobs(connection, stack, run_id, stopped_arn, reason=REASON, say=say, wanted=is_meant, **waits)
    runs.finish(run, "CANCELLED", [REASON])
    Lease(connection, stack, run.project).give_back(run_id, execution_arn=meant)
    return runs.get(run_id)


def _stop(connection: Connection, execution_arn: str) -> bool:
    """False when the execution is over, or unknown."""
    try:
        connection.client("stepfunctions").stop_execution(executionArn=execution_arn, error="Cancelled", cause=REASON)
    except ClientError as error:
        if error_code(error) not in _NOT_GOING:
            raise
        return False
    return True


def has_running_map(connection: Connection, execution_arn: str) -> bool:
    """Whether a Map of the execution may still submit jobs."""
    pages = connection.client("stepfunctions").get_paginator("list_map_runs")
    try:
        maps = [found["mapRunArn"] for page in pages.paginate(executionArn=execution_arn) for found in page["mapRuns"]]
    except ClientError as error:
        if error_code(error) not in _NOT_GOING:
            raise
        return False
    describe = connection.client("stepfunctions").describe_map_run
    return any(describe(mapRunArn=arn)["status"] == "RUNNING" for arn in maps)


def end_jobs(
    connection: Connection,
    stack: Stack,
    run_id: str,
    stopped_arn: str | None,
    *,
    reason: str,
    say: Callable[[str], None],
    wanted: Callable[[], bool] = lambda: True,
    wait_s: float = WAIT_FOR_JOBS_S,
    poll_s: float = _POLL_S,
) -> None:
    """Ends jobs until none is left and no Map could submit another: a stopped execution's Maps end a little later.

    `stopped_arn` is the execution that was stopped just now, None without one. Batch gives `reason` as the jobs' own.
    Stops when this is not `wanted` any more.
    """
    queues = stack.queues(None)
    batch = connection.client("batch")
    deadline = time.monotonic() + wait_s
    asked: set[str] = set()
    quiet_looks = 0
    while quiet_looks < 2 and wanted():
        map_goes_on = stopped_arn is not None and has_running_map(connection, stopped_arn)
        unfinished = unfinished_jobs(connection, queues, run_id)
        quiet_looks = quiet_looks + 1 if not map_goes_on and not unfinished else 0
        for job in unfinished:
            if job.job_id not in asked:
                batch.terminate_job(jobId=job.job_id, reason=reason)
                asked.add(job.job_id)
        if quiet_looks == 0 and time.monotonic() > deadline:
            found = [f"{plural(len(unfinished), 'job')} still going"] if unfinished else []
            found += ["a Map of its execution still ending"] if map_goes_on else []
            look = "look at them" if unfinished else "wait a little"
            raise HpcError(
                f"run {run_id}: found {' and '.join(found)} {wait_s:g} s after being told to end; expected none; "
                f"{look}, then cancel again: hpc cancel {run_id}"
            )
        if quiet_looks < 2:
            time.sleep(poll_s)
    if asked:
        say(f"Ended {plural(len(asked), 'job')}")
