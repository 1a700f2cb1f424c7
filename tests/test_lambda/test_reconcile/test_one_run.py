"""One run: what no event told of its jobs and executions is sent to the queue; jobs of a run that is over are ended."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.test_lambda.batch_history import RUN_ID, History, deliveries, histories, job_history
from tests.test_lambda.test_record_event import RUN, TASK, delete, job_event, put_run, without_times_of_sight


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_whatever_events_were_lost_doubled_or_reordered_one_look_makes_the_row_right(known, reconcile, run_table, data):
    history: History = data.draw(histories())
    delete(run_table, TASK)
    put_run(run_table, "RUNNING", "")
    for detail in history.details:
        known.record([json.dumps(job_event(detail))])
    right = run_table.rows(RUN)[TASK]
    delete(run_table, TASK)
    for batch in data.draw(deliveries(history)):
        known.record([json.dumps(job_event(detail)) for detail in batch])
    known.jobs = history.jobs

    reconcile()

    assert without_times_of_sight(run_table.rows(RUN)[TASK]) == without_times_of_sight(right)
    # And a second look finds nothing to say.
    assert reconcile().sent == 0


def test_jobs_of_another_run_whose_id_begins_alike_are_left_alone(known, reconcile, run_table):
    put_run(run_table, "RUNNING", "")
    (detail,) = job_history(0, ["failed"], "RUNNABLE", "7-String_Repeat-3")
    known.jobs = [detail]
    assert reconcile().sent == 0


def test_jobs_of_another_run_whose_id_differs_in_its_case_only_are_not_ended(
    known, reconcile, run_table, modules, monkeypatch
):
    """Batch's filter of names finds them, too."""
    put_run(run_table, "CANCELLED", "")
    (detail,) = job_history(0, ["failed"], "RUNNABLE")
    known.jobs = [{**detail, "jobName": detail["jobName"].replace(RUN_ID, RUN_ID.upper())}]
    assert known.jobs[0]["jobName"] != detail["jobName"]
    monkeypatch.setattr(modules.one_run, "client", lambda service: pytest.fail(f"asked {service}"))

    done = reconcile()

    assert (done.sent, done.ended_jobs) == (0, 0)


def test_why_a_job_waits_is_told_when_batch_has_found_it_and_again_when_it_changes(known, reconcile, run_table):
    put_run(run_table, "RUNNING", "")
    (waiting,) = job_history(0, ["failed"], "RUNNABLE")
    known.record([json.dumps(job_event(waiting))])
    assert "reason" not in run_table.rows(RUN)[TASK]
    full = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - " + "The Spot capacity is not available. " * 20
    for reason in (full, "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - too large", ""):
        known.jobs = [{**waiting, "statusReason": reason}]

        assert reconcile().sent == 1

        assert run_table.rows(RUN)[TASK].get("reason", "") == reason[:300]
        assert reconcile().sent == 0


def put_ended_run(known, status="SUCCEEDED", *, minutes_ago):
    stopped_at = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat()
    values = {"pk": RUN, "sk": "META", "status": status, "execution_arn": "arn:1", "stopped_at": stopped_at}
    known.table.put_item(Item=values)


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "CANCELLED"])
def test_a_run_is_settled_some_time_after_its_end_when_nothing_is_left_to_say(known, reconcile, status):
    known.jobs = job_history(0, ["succeeded"], None)[-1:]
    put_ended_run(known, status, minutes_ago=1)
    # The row of its job is told of, and nothing is left; but a Map that was stopped may submit one more.
    assert [reconcile().is_settled for _ in range(2)] == [False, False]
    put_ended_run(known, status, minutes_ago=3)
    done = reconcile()
    assert (done.is_settled, done.execution_arn) == (True, "arn:1")


def test_a_run_is_not_settled_by_the_look_that_found_something_to_say(known, reconcile):
    put_ended_run(known, minutes_ago=3)
    known.jobs = job_history(0, ["succeeded"], None)[-1:]
    assert [(done.sent, done.is_settled) for done in (reconcile(), reconcile())] == [(1, False), (0, True)]


def test_a_run_that_goes_is_not_settled(known, reconcile, machine, run_table):
    put_run(run_table, "RUNNING", machine.start())
    assert not reconcile().is_settled


def test_a_run_without_a_row_stays_open_while_its_execution_goes(known, modules, machine):
    run = modules.open_runs.OpenRun(RUN_ID, machine.start())
    assert not modules.one_run.RunReconciler(known, run).reconcile().is_settled
    machine.states.stop_execution(executionArn=run.execution_arn)
    # It has ended just now: its first state may still be about to write the row.
    assert not modules.one_run.RunReconciler(known, run).reconcile().is_settled


def test_jobs_of_a_run_that_is_over_are_ended(known, reconcile, run_table, modules, monkeypatch):
    put_run(run_table, "CANCELLED", "")
    known.jobs = [*job_history(0, ["failed"], "RUNNABLE"), job_history(1, ["failed"], None, "String_Repeat-4")[-1]]
    ended = []
    batch = SimpleNamespace(terminate_job=lambda **request: ended.append(request))
    monkeypatch.setattr(modules.one_run, "client", lambda _: batch)

    done = reconcile()

    assert [(request["jobId"], request["reason"]) for request in ended] == [
        (known.jobs[0]["jobId"], f"run {RUN_ID} is over (CANCELLED)")
    ]
    assert (done.ended_jobs, done.is_settled) == (1, False)


def test_jobs_are_left_alone_when_the_run_is_resumed_meanwhile(known, reconcile, run_table, modules, monkeypatch):
    put_run(run_table, "FAILED", "arn:1")
    known.jobs = job_history(0, ["failed"], "RUNNABLE")
    listed = known.list_jobs

    def resume_and_list(run_id, architecture):
        put_run(run_table, "PENDING", "arn:2")
        return listed(run_id, architecture)

    monkeypatch.setattr(known, "list_jobs", resume_and_list)
    monkeypatch.setattr(modules.one_run, "client", lambda service: pytest.fail(f"asked {service}"))

    assert reconcile().ended_jobs == 0


def test_the_end_of_an_execution_that_no_event_told_ends_its_run(known, reconcile, machine, run_table, modules):
    arn = machine.start()
    put_run(run_table, "RUNNING", arn)
    assert reconcile().sent == 0
    machine.states.stop_execution(executionArn=arn, error="Console", cause="enough")

    assert reconcile().sent == 1

    row = run_table.rows(RUN)["META"]
    assert (row["status"], row["reasons"]) == ("CANCELLED", '["its execution was stopped: Console: enough"]')


def test_a_run_without_a_row_is_forgotten_when_its_execution_is_unknown(modules, known):
    run = modules.open_runs.OpenRun(RUN_ID, "arn:aws:states:us-east-1:000000000000:execution:None:none")
    assert modules.one_run.RunReconciler(known, run).reconcile().is_settled


def test_a_row_that_is_new_to_the_function_has_all_it_needs(known, reconcile, run_table):
    """A row that Job_Map made has no job yet."""
    put_run(run_table, "RUNNING", "")
    values = {"pk": RUN, "sk": TASK, "state": "String_Repeat", "index": 3, "status": "PENDING", "version": "0" * 13}
    known.table.put_item(Item=values)
    known.jobs = job_history(0, ["failed"], "RUNNING")[-1:]

    assert reconcile().sent == 1

    assert run_table.rows(RUN)[TASK]["status"] == "RUNNING"
    known.jobs = [replace_status(known.jobs[0], "SUBMITTED")]
    assert reconcile().sent == 1  # Batch never says so after RUNNING, and the row does not follow
    assert run_table.rows(RUN)[TASK]["status"] == "RUNNING"


def replace_status(job, status):
    return {**job, "status": status}
