"""Reconcile: finds what no event told, once a minute, and sends it to the queue as an event would.

It looks at Step Functions and Batch as they are now, and at the rows, and lets Record_Event write the difference, which
alone decides what of it is later. Looked after are the runs that are open: every execution that runs, and each that
ended lately until its rows say so. Jobs are found by their names, whether or not any event told of them; those of a run
that is over are ended. Children of array jobs send no events to the rows: those that failed come from here only.
"""

import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from one_run import RunReconciler
from open_runs import OpenRuns
from platform_access import Access

# Time for the run that is being looked at, when the function's own is nearly over.
RESERVE_MS = 60_000

__all__ = ["handler"]


def handler(event: Any, context: Any) -> dict[str, int]:  # noqa: ARG001  Lambda passes both
    """Look at each open run; return how many there were, how many messages were sent and how many jobs ended."""
    access = Access.of_environment()
    open_runs = OpenRuns(access)
    runs = open_runs.find()
    # With more runs than time, each call begins with another one.
    start = int(time.time() // 60) % len(runs) if runs else 0
    looked_at = sent = ended = 0
    for run in runs[start:] + runs[:start]:
        if context.get_remaining_time_in_millis() < RESERVE_MS:
            break
        try:
            done = RunReconciler(access, run).reconcile()
        except (ClientError, BotoCoreError, KeyError, ValueError) as error:
            # One run must not keep the others from being looked at.
            print(f"run {run.run_id} was not reconciled: {type(error).__name__}: {error}")
            continue
        looked_at, sent, ended = looked_at + 1, sent + done.sent, ended + done.ended_jobs
        if done.is_settled:
            open_runs.close(run, done.execution_arn)
    print(f"{looked_at} of {len(runs)} open runs, {sent} messages, {ended} jobs ended")
    return {"runs": len(runs), "looked_at": looked_at, "messages": sent, "ended_jobs": ended}
