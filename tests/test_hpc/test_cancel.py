"""The end of a run before its end."""

from dataclasses import replace

import pytest

from hpc import cancel as cancelling
from hpc.cancel import cancel
from hpc.errors import HpcError, WrongInput

WAITS = {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}


class LeaseRow:
    """Writes and reads the row of a project's lease."""

    def __init__(self, table, project):
        self._table = table
        self._key = {"pk": f"LEASE#{project}", "sk": "LEASE"}

    def hold(self, run_id):
        self._table.put_item(Item={**self._key, "holder": run_id, "input_uri": "s3://b/k"})

    def read(self):
        item = self._table.get_item(Key=self._key)["Item"]
        return item.get("holder"), item["input_uri"]


@pytest.fixture
def lease_row(connection, stack, project):
    return LeaseRow(connection.table(stack.run_table), project)


@pytest.fixture
def going_run(make_run, start_execution, lease_row):
    """A run that goes on and holds the lease of its project."""
    run = make_run(status="RUNNING", execution_arn=start_execution(WAITS))
    lease_row.hold(run.run_id)
    return run


@pytest.fixture
def do_cancel(connection, stack):
    """Cancels without much waiting; gives the run and what was said."""

    def do(run_id, wait_s=10.0, **more):
        said = []
        return cancel(connection, stack, run_id, say=said.append, wait_s=wait_s, poll_s=0.1, **more), said

    return do


def test_execution_row_and_lease_end(connection, going_run, do_cancel, lease_row):
    ended, said = do_cancel(going_run.run_id)
    assert (ended.status, ended.reasons) == ("CANCELLED", ("cancelled by hpc cancel",))
    assert ended.stopped_at
    assert said == []
    execution = connection.client("stepfunctions").describe_execution(executionArn=going_run.execution_arn)
    assert execution["status"] == "ABORTED"
    assert lease_row.read() == (None, "s3://b/k")


def test_jobs_end(going_run, running_job, wait_for, do_cancel):
    jobs = [running_job(going_run.run_id, task) for task in ("String_Repeat-0", "String_Reverse-0")]
    assert do_cancel(going_run.run_id)[1] == ["Ended 2 jobs"]
    for job_id in jobs:
        job = wait_for(job_id)
        assert (job["status"], job["statusReason"]) == ("FAILED", "cancelled by hpc cancel")


def test_cancelling_twice_is_no_error(going_run, do_cancel):
    first, _ = do_cancel(going_run.run_id)
    assert do_cancel(going_run.run_id) == (first, [])


def test_a_run_that_ended_stays_as_it_ended(make_run, do_cancel):
    run = make_run(status="SUCCEEDED")
    assert do_cancel(run.run_id)[0].status == "SUCCEEDED"


def test_what_an_interrupted_cancel_left_is_cleaned_up(make_run, running_job, wait_for, do_cancel):
    run = make_run(status="CANCELLED")
    job_id = running_job(run.run_id, "String_Split-0")
    assert do_cancel(run.run_id)[1] == ["Ended 1 job"]
    assert wait_for(job_id)["status"] == "FAILED"


def test_the_lease_of_another_run_stays(make_run, do_cancel, lease_row):
    lease_row.hold("other")
    do_cancel(make_run(status="FAILED").run_id)
    assert lease_row.read()[0] == "other"


def test_jobs_that_do_not_end_are_told(going_run, submit_job, wait_for, do_cancel, lease_row):
    stubborn = "trap '' TERM; echo ready; while true; do sleep 1; done"
    job_id = submit_job(going_run.run_id, "String_Split-0", stubborn)
    wait_for(job_id, "RUNNING")
    with pytest.raises(HpcError) as failure:
        do_cancel(going_run.run_id, wait_s=0.2)
    assert str(failure.value) == (
        f"run {going_run.run_id}: found 1 job still going 0.2 s after being told to end; expected none; look at them, "
        f"then cancel again: hpc cancel {going_run.run_id}"
    )
    assert failure.value.exit_code == 1
    assert lease_row.read()[0] == going_run.run_id
    assert do_cancel(going_run.run_id)[0].status == "CANCELLED"


@pytest.fixture
def map_goes_on(monkeypatch):
    """Step Functions calls a Map of every execution RUNNING."""
    monkeypatch.setattr(cancelling, "has_running_map", lambda *_: True)


@pytest.mark.usefixtures("map_goes_on")
def test_a_map_that_does_not_end_is_told(going_run, do_cancel, lease_row):
    with pytest.raises(HpcError) as failure:
        do_cancel(going_run.run_id, wait_s=0.2)
    assert str(failure.value) == (
        f"run {going_run.run_id}: found a Map of its execution still ending 0.2 s after being told to end; expected "
        f"none; wait a little, then cancel again: hpc cancel {going_run.run_id}"
    )
    assert lease_row.read()[0] == going_run.run_id


@pytest.mark.usefixtures("map_goes_on")
def test_a_job_and_a_map_that_do_not_end_are_told(going_run, submit_job, wait_for, do_cancel):
    job_id = submit_job(going_run.run_id, "String_Split-0", "trap '' TERM; echo ready; while true; do sleep 1; done")
    wait_for(job_id, "RUNNING")
    with pytest.raises(HpcError) as failure:
        do_cancel(going_run.run_id, wait_s=0.2)
    assert str(failure.value) == (
        f"run {going_run.run_id}: found 1 job still going and a Map of its execution still ending 0.2 s after being "
        f"told to end; expected none; look at them, then cancel again: hpc cancel {going_run.run_id}"
    )
    do_cancel(going_run.run_id)


@pytest.mark.usefixtures("map_goes_on")
@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "CANCELLED"])
def test_maps_of_a_run_that_was_over_are_not_waited_for(make_run, start_execution, do_cancel, status):
    run = make_run(status=status, execution_arn=start_execution(WAITS))
    assert do_cancel(run.run_id, wait_s=0.2)[0].status == status


@pytest.mark.usefixtures("map_goes_on")
def test_maps_are_not_waited_for_when_nothing_was_stopped(make_run, start_execution, do_cancel):
    # Its row is there, its execution is not yet.
    arn = start_execution(WAITS) + "-unknown"
    assert do_cancel(make_run(execution_arn=arn).run_id, wait_s=0.2)[0].status == "CANCELLED"


def test_an_unknown_run_is_refused(do_cancel):
    with pytest.raises(WrongInput, match="found no run '20260131-093000-1a2b3c'"):
        do_cancel("20260131-093000-1a2b3c")


def test_a_run_that_was_resumed_since_its_end_was_asked_for_is_left_alone(going_run, do_cancel, running_job, wait_for):
    job_id = running_job(going_run.run_id, "String_Split-0")
    ended, _ = do_cancel(going_run.run_id, execution_arn=f"{going_run.execution_arn}-before")
    assert ended.status == going_run.status
    assert wait_for(job_id, "RUNNING")
    assert do_cancel(going_run.run_id, execution_arn=going_run.execution_arn)[0].status == "CANCELLED"


def test_a_run_that_is_resumed_while_its_jobs_end_is_left_alone(going_run, runs, do_cancel, monkeypatch):
    """Jobs of the next execution are not ended, and the row stays as the resume wrote it."""
    real = cancelling.unfinished_jobs

    def resumed_meanwhile(*given):
        jobs = real(*given)
        if not jobs:
            again = replace(going_run, execution_arn=f"{going_run.execution_arn}-next")
            runs.restart(runs.get(going_run.run_id), again)
        return jobs

    monkeypatch.setattr(cancelling, "unfinished_jobs", resumed_meanwhile)
    do_cancel(going_run.run_id)
    assert runs.row(going_run.run_id).execution_arn.endswith("-next")
    assert runs.row(going_run.run_id).status != "CANCELLED"
