"""The open runs: found whatever events told, looked after until they are settled."""

import json
from types import SimpleNamespace

import pytest

from tests.test_lambda.batch_history import RUN_ID
from tests.test_lambda.test_record_event import RUN, put_run


def test_an_execution_that_no_event_told_of_is_found_and_stays_open_until_it_is_settled(
    known, modules, machine, run_table
):
    arn = machine.start()
    open_runs = modules.open_runs.OpenRuns(known)
    (run,) = open_runs.find()
    assert (run.run_id, run.execution_arn) == (RUN_ID, arn)
    put_run(run_table, "SUCCEEDED", arn)

    open_runs.close(run, arn)

    assert run_table.rows("OPEN") == {}
    assert open_runs.find() == []


def test_a_run_that_goes_on_in_another_execution_is_not_closed(known, modules, machine, run_table):
    open_runs = modules.open_runs.OpenRuns(known)
    first = machine.start()
    (run,) = open_runs.find()
    put_run(run_table, "PENDING", machine.start(2))

    open_runs.close(run, first)

    assert [run.run_id for run in open_runs.find()] == [RUN_ID]


def test_a_run_that_is_closed_has_no_open_row_and_says_which_execution_settled_it(known, modules, machine, run_table):
    arn = machine.start()
    put_run(run_table, "SUCCEEDED", arn)
    open_runs = modules.open_runs.OpenRuns(known)
    (run,) = open_runs.find()
    assert run_table.rows("OPEN") == {RUN: {"pk": "OPEN", "sk": RUN, "execution_arn": arn}}

    open_runs.close(run, arn)

    assert run_table.rows("OPEN") == {}
    assert run_table.rows(RUN)["META"]["settled"] == arn


def test_a_run_without_a_row_is_closed_by_its_open_row_alone(known, modules, machine, run_table):
    machine.start()
    open_runs = modules.open_runs.OpenRuns(known)
    (run,) = open_runs.find()

    open_runs.close(run, None)

    assert (run_table.rows("OPEN"), run_table.rows(RUN)) == ({}, {})


def test_an_open_row_of_a_newer_execution_outlives_the_end_of_an_older_one(known, modules, run_table):
    put_run(run_table, "FAILED", "arn:1")
    known.table.put_item(Item={"pk": "OPEN", "sk": RUN, "execution_arn": "arn:2"})
    open_runs = modules.open_runs.OpenRuns(known)

    open_runs.close(modules.open_runs.OpenRun(RUN_ID, "arn:1"), "arn:1")

    assert run_table.rows("OPEN")[RUN]["execution_arn"] == "arn:2"


def test_a_settled_run_that_was_resumed_is_open_again(known, modules, machine, run_table):
    first, second = machine.start(), machine.start(2)
    texts = {"pk": RUN, "sk": "META", "status": "PENDING", "settled": first}
    known.table.put_item(Item={**texts, "execution_arn": second})
    assert [run.run_id for run in modules.open_runs.OpenRuns(known).find()] == [RUN_ID]


@pytest.mark.parametrize("text", ["[]", '"x"', "null", "3", "{}", '{"run_id": null}', '{"run_id": ""}'])
def test_an_execution_with_any_input_is_found_by_its_name_and_stops_no_other(known, modules, machine, text):
    machine.start()
    machine.start(name="By_Hand", text=text)
    machine.start(run_id="20260102-030405-abc124")
    found = [run.run_id for run in modules.open_runs.OpenRuns(known).find()]
    assert found == [RUN_ID, "20260102-030405-abc124", "By_Hand"]


def test_an_execution_that_cannot_be_looked_at_stops_no_other(known, modules, machine, capsys):
    machine.start()
    bad = machine.start(name="By_Hand", text=json.dumps({"run_id": "x" * 3000}))  # more than a key may have
    machine.start(run_id="20260102-030405-abc124")

    found = [run.run_id for run in modules.open_runs.OpenRuns(known).find()]

    assert found == [RUN_ID, "20260102-030405-abc124"]
    assert f"the run of {bad} was not found: ClientError" in capsys.readouterr().out


def test_a_look_at_open_runs_reads_no_row_and_a_look_at_settled_ones_one_each(known, modules, machine, monkeypatch):
    arn = machine.start()
    settled = {"pk": "RUN#20260102-030405-abc124", "sk": "META", "status": "SUCCEEDED"}
    arns = dict.fromkeys(("settled", "execution_arn"), machine.start(run_id="20260102-030405-abc124"))
    known.table.put_item(Item={**settled, **arns})
    open_runs = modules.open_runs.OpenRuns(known)
    (run,) = open_runs.find()
    assert run.execution_arn == arn
    read, get_item = [], known.table.get_item

    def counted(**request):
        read.append(request["Key"]["pk"])
        return get_item(**request)

    monkeypatch.setattr(known.table, "get_item", counted)
    assert open_runs.find() == [run]
    assert read == [settled["pk"]]


def test_the_function_goes_on_when_one_run_cannot_be_looked_at(modules, known, machine, run_table, monkeypatch):
    for number in range(3):
        put_run(run_table, "RUNNING", machine.start(run_id=f"2026-{number}"))
    monkeypatch.setattr(modules.reconcile.Access, "of_environment", lambda: known)
    seen = []

    class Reconciler:
        def __init__(self, access, run):
            seen.append(run.run_id)
            self._fails = run.run_id == "2026-1"

        def reconcile(self):
            if self._fails:
                raise ValueError("made to fail")
            return modules.one_run.Done(2, 1, False, "arn")

    monkeypatch.setattr(modules.reconcile, "RunReconciler", Reconciler)
    enough = SimpleNamespace(get_remaining_time_in_millis=lambda: 100_000)

    assert modules.reconcile.handler({}, enough) == {"runs": 3, "looked_at": 2, "messages": 4, "ended_jobs": 2}
    assert sorted(seen) == ["2026-0", "2026-1", "2026-2"]
    short = SimpleNamespace(get_remaining_time_in_millis=lambda: 1_000)
    assert modules.reconcile.handler({}, short)["looked_at"] == 0
