"""What the laptop platform does when it is up again after its end interrupted runs."""

import json
from dataclasses import replace

import pytest

from hpc.interrupted import continue_interrupted
from hpc.runs import INTERRUPTED, Runs


def given_to(states, run):
    """The input of the run's newest execution."""
    return json.loads(states.describe_execution(executionArn=run.execution_arn)["input"])


@pytest.fixture
def interrupted(states, submitted):
    states.stop_execution(executionArn=submitted.execution_arn, error=INTERRUPTED, cause="the platform ended")
    return submitted


@pytest.fixture
def go_on(connection, runs, monkeypatch):
    """Goes on with the runs of this test only; gives those that go on and what was said."""

    def do(*of):
        said = []
        mine = {run.run_id for run in of}
        everything = Runs.unfinished
        with monkeypatch.context() as patch:
            patch.setattr(Runs, "unfinished", lambda self: [r for r in everything(self) if r.run_id in mine])
            found = continue_interrupted(connection, said.append, rest_s=0)
        return found, said

    return do


def test_an_interrupted_run_is_still_going(runs, interrupted):
    assert runs.get(interrupted.run_id) == interrupted


def test_an_interrupted_run_goes_on_and_its_jobs_end_before(states, interrupted, go_on, running_job, wait_for):
    job_id = running_job(interrupted.run_id, "String_Split-0")
    (again,), said = go_on(interrupted)
    assert again.execution_arn.endswith("-2")
    assert (given_to(states, again)["split_done"], given_to(states, again)["redo"]) == (False, [])
    assert wait_for(job_id)["statusReason"].startswith("the platform ended in the middle of the run")
    assert said[-1] == (
        f"Run {again.run_id} of project {again.project} goes on where the platform's end interrupted it"
    )
    assert go_on(interrupted)[0] == [], "it goes on already"


def test_a_run_that_was_never_started_goes_on(connection, runs, make_run, submitted, go_on):
    arn = f"{submitted.execution_arn}-never-started"
    given = {name: getattr(submitted, name) for name in ("project", "parameters", "input_etag", "code")}
    run = make_run(execution_arn=arn, **given)
    assert [found.run_id for found in go_on(run)[0]] == [run.run_id]


def test_a_run_of_the_console_takes_its_parameters_from_its_execution(connection, states, stack, submitted, go_on):
    arn = states.start_execution(
        stateMachineArn=stack.state_machine("string_processing"),
        name=f"by-hand-{submitted.project}",
        input=json.dumps(dict(submitted.parameters)),
    )["executionArn"]
    states.stop_execution(executionArn=arn, error=INTERRUPTED)
    run_id = f"by-hand-{submitted.project}"
    row = {"pk": f"RUN#{run_id}", "sk": "META", "status": "RUNNING", "workflow": "string_processing"}
    row |= {"project": submitted.project, "execution_arn": arn, "created_at": submitted.created_at}
    connection.table(stack.run_table).put_item(Item=row)
    (again,), _ = go_on(replace(submitted, run_id=run_id))
    assert again.execution_arn == f"{arn}-2"
    assert given_to(states, again)["SPLIT_NUM"] == 2


def test_a_run_that_cannot_go_on_fails_and_says_why(connection, runs, interrupted, go_on):
    connection.client("s3").delete_object(Bucket="data-bucket", Key=interrupted.parameters["INPUT_KEY"])
    found, said = go_on(interrupted)
    ended = runs.get(interrupted.run_id)
    assert (found, ended.status) == ([], "FAILED")
    assert "which could not go on: s3://" in ended.reasons[0].replace("'", "")
    assert said == [f"Run {ended.run_id}: {ended.reasons[0]}"]


def test_a_run_that_a_person_stopped_stays_stopped(states, runs, submitted, go_on):
    states.stop_execution(executionArn=submitted.execution_arn, error="Cancelled")
    assert go_on(submitted)[0] == []
    assert runs.get(submitted.run_id).status == "CANCELLED"


def test_a_run_that_goes_on_is_left_alone(runs, submitted, go_on):
    assert go_on(submitted) == ([], [])
    assert runs.get(submitted.run_id) == submitted


def test_a_person_may_resume_it_too(interrupted, do_resume):
    assert do_resume(interrupted).execution_arn.endswith("-2")
