"""One run of a project at a time, and results of one input."""

import time

import pytest

from hpc.errors import WrongInput
from hpc.lease import Lease

WAITS = {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}
URI = "s3://data-bucket/uploads/P1/a.txt"


@pytest.fixture
def lease(connection, stack, project):
    return Lease(connection, stack, project)


def end_job(connection, job_id):
    batch = connection.client("batch")
    batch.terminate_job(jobId=job_id, reason="the test is over")
    deadline = time.monotonic() + 5
    while batch.describe_jobs(jobs=[job_id])["jobs"][0]["status"] != "FAILED":
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Row:
    """Writes and reads a lease's row, as the state machine does."""

    def __init__(self, table, project):
        self._table = table
        self._key = {"pk": f"LEASE#{project}", "sk": "LEASE"}

    def write(self, **attributes):
        self._table.put_item(Item={**self._key, "input_uri": URI, "input_etag": "e1", **attributes})

    def holder(self):
        return self._table.get_item(Key=self._key)["Item"].get("holder")


@pytest.fixture
def row(connection, stack, project):
    return Row(connection.table(stack.run_table), project)


def refusal(lease, uri=URI, etag="e1", overwrite=False):
    with pytest.raises(WrongInput) as refused:
        lease.check(input_uri=uri, input_etag=etag, overwrite=overwrite)
    return str(refused.value)


def test_a_new_project_is_free(lease):
    lease.check(input_uri=URI, input_etag="e1", overwrite=False)


@pytest.mark.parametrize("etag", ["e1", ""])
def test_the_same_input_again_is_welcome(lease, row, etag):
    row.write()
    lease.check(input_uri=URI, input_etag=etag, overwrite=False)


def test_another_input_is_refused_unless_it_may_overwrite(lease, row, project):
    row.write()
    other = "s3://data-bucket/uploads/P1/b.txt"
    assert refusal(lease, uri=other) == (
        f"project {project}: found results of another input, '{URI}'; expected those of this run's input, '{other}'; "
        "choose another --project, or replace them: --overwrite"
    )
    lease.check(input_uri=other, input_etag="e1", overwrite=True)


def test_another_version_of_the_input_is_refused_unless_it_may_overwrite(lease, row, project):
    row.write()
    assert refusal(lease, etag="e2") == (
        f"project {project}: found results of another version of '{URI}' (ETag e1); expected those of the one that is "
        "there now (ETag e2); choose another --project, or replace them: --overwrite"
    )
    lease.check(input_uri=URI, input_etag="e2", overwrite=True)


def test_a_run_that_is_still_going_keeps_the_project(lease, row, project, make_run, start_execution):
    run = make_run(status="RUNNING", execution_arn=start_execution(WAITS))
    row.write(holder=run.run_id, execution_arn=run.execution_arn)
    message = (
        f"project {project}: found run {run.run_id} of it still going (RUNNING); expected none, because two runs may "
        f"not write the same results; wait for it: hpc show {run.run_id} --watch; or end it: hpc cancel {run.run_id}; "
        "or choose another --project"
    )
    assert refusal(lease) == message
    assert refusal(lease, overwrite=True) == message
    assert row.holder() == run.run_id


def test_a_going_execution_without_a_row_keeps_the_project(lease, row, start_execution):
    row.write(holder="by-hand", execution_arn=start_execution(WAITS))
    assert "found run by-hand of it still going (RUNNING)" in refusal(lease)


@pytest.mark.parametrize("execution_arn", ["", "arn:aws:states:us-east-1:000000000000:execution:gone:gone-1"])
def test_a_holder_that_nobody_knows_loses_the_project(lease, row, execution_arn):
    row.write(holder="gone", execution_arn=execution_arn)
    lease.check(input_uri=URI, input_etag="e1", overwrite=False)
    assert row.holder() is None


def test_a_run_that_is_over_loses_the_project(connection, lease, row, make_run, start_execution):
    run = make_run(status="RUNNING", execution_arn=start_execution(WAITS))
    connection.client("stepfunctions").stop_execution(executionArn=run.execution_arn)
    row.write(holder=run.run_id, execution_arn=run.execution_arn)
    lease.check(input_uri=URI, input_etag="e1", overwrite=False)
    assert row.holder() is None


def test_a_run_that_is_over_keeps_the_project_while_its_jobs_go_on(connection, lease, row, make_run, running_job):
    run = make_run(status="CANCELLED")
    job_id = running_job(run.run_id, "String_Split-0")
    row.write(holder=run.run_id)
    assert refusal(lease) == (
        f"project {run.project}: found 1 job of run {run.run_id} still going, though the run is over; expected none; "
        f"end them: hpc cancel {run.run_id}"
    )
    end_job(connection, job_id)
    lease.check(input_uri=URI, input_etag="e1", overwrite=False)


def test_only_the_holder_gives_the_lease_back(lease, row):
    row.write(holder="one", execution_arn="arn:2")
    assert not lease.give_back("other", execution_arn="arn:2")
    assert not lease.give_back("one", execution_arn="arn:1"), "it goes on in another execution"
    assert row.holder() == "one"
    assert lease.give_back("one", execution_arn="arn:2")
    assert row.holder() is None
    assert not lease.give_back("one", execution_arn="arn:2")
