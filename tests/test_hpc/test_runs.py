"""Rows of runs, and what becomes of those whose execution ended without a word."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hpc.errors import WrongInput
from hpc.run import now

WAITS = {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}
SUCCEEDS = {"Done": {"Type": "Succeed"}}
FAILS = {"Failed": {"Type": "Fail", "Error": "RunFailed", "Cause": "three shards are missing"}}


def test_a_row_comes_back_as_it_was_written(make_run, runs, start_execution):
    run = make_run(execution_arn=start_execution(WAITS), shards=3)
    assert runs.get(run.run_id) == run


def test_an_id_is_never_used_twice(make_run):
    run = make_run()
    with pytest.raises(Exception, match="ConditionalCheckFailedException"):
        make_run(run_id=run.run_id)


def test_an_unknown_run_is_refused(runs):
    with pytest.raises(WrongInput) as refusal:
        runs.get("20260131-093000-1a2b3c")
    assert str(refusal.value) == (
        "RUN: found no run '20260131-093000-1a2b3c'; expected one of those that this lists: hpc runs"
    )


def test_a_run_that_goes_on_stays_as_it_is(runs, make_run, start_execution):
    run = make_run(execution_arn=start_execution(WAITS))
    assert runs.get(run.run_id) == run


@pytest.mark.parametrize(
    ("states", "status", "reasons"),
    [
        (SUCCEEDS, "SUCCEEDED", ()),
        (FAILS, "FAILED", ("its execution failed: RunFailed: three shards are missing",)),
    ],
)
def test_an_execution_that_ended_without_a_word_moves_the_row_forward(runs, make_ended_run, states, status, reasons):
    found = runs.get(make_ended_run(states).run_id)
    assert (found.status, found.reasons) == (status, reasons)
    assert found.stopped_at


def test_a_stopped_execution_is_a_cancelled_run(connection, runs, make_run, start_execution):
    run = make_run(execution_arn=start_execution(WAITS), status="RUNNING")
    connection.client("stepfunctions").stop_execution(executionArn=run.execution_arn, cause="enough")
    found = runs.get(run.run_id)
    assert (found.status, found.reasons) == ("CANCELLED", ("its execution was stopped: enough",))


def test_a_row_that_is_final_stays_as_it_is(runs, make_ended_run):
    run = make_ended_run(FAILS, status="SUCCEEDED")
    assert runs.get(run.run_id).status == "SUCCEEDED"
    assert not runs.finish(run, "FAILED", ["too late"])


def test_how_an_execution_ended_is_not_how_the_next_one_will(runs, make_ended_run, start_execution):
    # Given a run that failed, and was resumed after somebody read its row
    before = make_ended_run(FAILS, status="FAILED")
    after = replace(before, status="PENDING", execution_arn=start_execution(WAITS), resumes=1)
    assert runs.restart(before, after)
    seen = replace(before, status="RUNNING")
    # Then what that row says of its execution ends nothing
    assert not runs.finish(seen, "CANCELLED", ["too late"])
    assert runs.reconciled(seen).execution_arn == after.execution_arn
    assert runs.row(before.run_id).status == "PENDING"


def test_a_run_whose_execution_is_about_to_start_is_pending(make_run, runs, stack):
    execution_arn = stack.state_machine("string_processing").replace(":stateMachine:", ":execution:") + ":none-1"
    assert runs.get(make_run(execution_arn=execution_arn).run_id).status == "PENDING"


def test_a_run_whose_execution_never_started_failed(make_run, runs, stack):
    execution_arn = stack.state_machine("string_processing").replace(":stateMachine:", ":execution:") + ":none-1"
    old = (datetime.now(UTC) - timedelta(minutes=2)).isoformat()
    found = runs.get(make_run(execution_arn=execution_arn, created_at=old).run_id)
    assert found.status == "FAILED"
    assert found.reasons == ("its execution was never started, or is no longer known to Step Functions",)


def test_a_row_that_the_state_machine_wrote(connection, stack, runs, start_execution):
    execution_arn = start_execution(WAITS, ProjectNo="P1", INPUT_KEY="uploads/a", SPLIT_NUM=5, run_id="by-hand")
    connection.table(stack.run_table).put_item(
        Item={
            "pk": "RUN#by-hand",
            "sk": "META",
            "status": "RUNNING",
            "workflow": "string_processing",
            "project": "P1",
            "created_at": now(),
            "started_at": now(),
            "execution_arn": execution_arn,
            "reasons": '["one", "two"]',
            "reason_count": 25,
            "reason": "another run of project P1 is still going",
        }
    )
    found = runs.with_parameters(runs.get("by-hand"))
    assert found.parameters == {"ProjectNo": "P1", "INPUT_KEY": "uploads/a", "SPLIT_NUM": 5}
    assert found.reasons == ("another run of project P1 is still going", "one", "two")
    assert found.reason_count == 25


def test_the_recent_runs_newest_first(runs, make_run, start_execution):
    times = [(datetime.now(UTC) - timedelta(days=days)).isoformat() for days in (40, 3, 0)]
    made = [make_run(created_at=time, execution_arn=start_execution(WAITS)).run_id for time in times]
    project = runs.get(made[0]).project
    assert [run.run_id for run in runs.recent(30) if run.project == project] == [made[2], made[1]]
    assert [run.run_id for run in runs.recent(1) if run.project == project] == [made[2]]


def test_the_first_of_the_recent_days_counts_from_its_beginning(runs, make_run, start_execution):
    today = datetime.now(UTC).date().isoformat()
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    times = (f"{yesterday}T23:59:59.999Z", f"{today}T00:00:00.000Z")
    before, after = (make_run(created_at=time, execution_arn=start_execution(WAITS)) for time in times)
    assert [run.run_id for run in runs.recent(1) if run.run_id in {before.run_id, after.run_id}] == [after.run_id]
