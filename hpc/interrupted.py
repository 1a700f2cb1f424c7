"""Continues the runs that the laptop platform's own end interrupted."""

from __future__ import annotations

from collections.abc import Callable

from hpc import job_definitions, stack, workflow_folders
from hpc.cancel import end_jobs
from hpc.connection import Connection
from hpc.errors import HpcError
from hpc.lease import Lease
from hpc.resume import REST_S, restart
from hpc.run import Run
from hpc.runs import Runs, was_interrupted

JOBS_REASON = "the platform ended in the middle of the run, which goes on in a new execution"
# On the laptop, where looking is cheap.
_POLL_S = 0.2


def continue_interrupted(connection: Connection, say: Callable[[str], None], *, rest_s: float = REST_S) -> list[Run]:
    """Resumes every run that the platform's own end interrupted or kept from being started; gives those that go on.

    For the laptop platform, before it lets others submit. A run that cannot go on fails, and its row says why.
    """
    deployed = stack.describe(connection)
    runs = Runs(connection, deployed.run_table)
    resumed = []
    for run in runs.unfinished():
        execution = runs.execution(run.execution_arn) if run.execution_arn else None
        if execution is not None and not was_interrupted(execution):
            continue
        try:
            workflow = workflow_folders.load(run.workflow)
            found = runs.with_parameters(run)
            end_jobs(connection, deployed, run.run_id, None, reason=JOBS_REASON, say=say, poll_s=_POLL_S)
            definitions = job_definitions.newest(connection, deployed, workflow)
            again = restart(connection, deployed, workflow, found, definitions, overwrite=False, rest_s=rest_s)
        except HpcError as error:
            reason = f"the platform ended in the middle of the run, which could not go on: {error}"
            runs.finish(run, "FAILED", [reason])
            Lease(connection, deployed, run.project).give_back(run.run_id, execution_arn=run.execution_arn)
            say(f"Run {run.run_id}: {reason}")
        else:
            say(f"Run {run.run_id} of project {run.project} goes on where the platform's end interrupted it")
            resumed.append(again)
    return resumed
