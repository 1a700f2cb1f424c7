"""Job_Map: rows of what is to do, before any job of it is there."""

import boto3
import pytest

RUN = "RUN#20260102-030405-abc123"
STATES = ("String_Repeat", "String_Reverse")
JOB = "01234567-89ab-4def-8123-456789abcdef"


def move(run_table, sort_key, version, status):
    """What an event of a job does to a row."""
    run_table.client.update_item(
        TableName=run_table.name,
        Key={"pk": {"S": RUN}, "sk": {"S": sort_key}},
        UpdateExpression="SET #version = :version, #status = :status, job_id = :job, reason = :reason",
        ExpressionAttributeNames={"#version": "version", "#status": "status"},
        ExpressionAttributeValues={
            ":version": {"S": version},
            ":status": {"S": status},
            ":job": {"S": JOB},
            ":reason": {"S": "exit code 1"},
        },
    )


@pytest.fixture
def plan(job_map, make_run, store, run_table):
    """Calls the function for a run of 4 shards; returns the run's rows afterwards."""
    run = make_run()

    def call(objects=None, **changes):
        store.put(run.objects if objects is None else objects)
        job_map.handler(run.job_map_event(bucket=store.bucket, table=run_table.name, **changes), None)
        return run_table.rows(RUN)

    split_only = {key: data for key, data in run.objects.items() if "String_Split" in key}
    return lambda **changes: call(split_only, **changes)


def test_each_shard_and_each_merge_has_a_row(plan):
    rows = plan()
    shards = {f"TASK#{state}#{index:06d}" for state in STATES for index in range(4)}
    assert set(rows) == shards | {f"TASK#{state}_Merge#000000" for state in STATES}
    assert rows["TASK#String_Repeat#000003"] == {
        "pk": RUN,
        "sk": "TASK#String_Repeat#000003",
        "version": "1767323100123",
        "state": "String_Repeat",
        "index": 3,
        "status": "PENDING",
    }


def test_a_group_has_one_row(plan):
    rows = plan(group_above=3)
    groups = {f"TASK#{state}_Group#000000" for state in STATES}
    assert set(rows) == groups | {f"TASK#{state}_Merge#000000" for state in STATES}
    assert {row["status"] for row in rows.values()} == {"PENDING"}


def test_a_later_try_begins_anew_and_keeps_what_jobs_there_were(plan, run_table):
    plan()
    move(run_table, "TASK#String_Repeat#000003", f"1767323100500:{JOB}:1:01:6:1767323101000", "FAILED")
    later = plan(attempt=1, planned_at="2026-01-02T03:06:00Z")["TASK#String_Repeat#000003"]
    assert (later["status"], later["version"], "job_id" in later, "reason" in later) == (
        "PENDING",
        "1767323160000",
        False,
        False,
    )


def test_a_call_that_comes_twice_or_late_moves_no_row_back(plan, run_table):
    plan()
    move(run_table, "TASK#String_Repeat#000003", f"1767323100500:{JOB}:0:00:4:1767323101000", "RUNNING")
    before = run_table.rows(RUN)
    assert plan() == before


def test_a_table_that_cannot_be_written_stops_no_run(job_map, make_run, store, capsys):
    run = make_run()
    store.put({key: data for key, data in run.objects.items() if "String_Split" in key})
    answer = job_map.handler(run.job_map_event(bucket=store.bucket, table="NoSuchTable"), None)
    assert answer["attempt"] == 1
    assert f"rows of run {run.job_map_event()['run_id']} were not made" in capsys.readouterr().out


def test_rows_of_very_many_single_shards_are_left_to_their_events(mapping, make_run):
    run = make_run([b"x\n"])
    request = mapping.map_event.JobMapEvent.parse(run.job_map_event(group_above=1_000_000))
    shards = mapping.shard_list.Shards(file="lines.txt", count=30_000, digits=5)
    plans = {
        state: mapping.branch_plan.plan_branch(request, shards, bytearray(30_000), merged=False) for state in STATES
    }
    written = []

    class Rows:
        def transact_write_items(self, *, TransactItems):
            written.extend(TransactItems)

    mapping.task_rows.make_rows(Rows(), request, plans)

    assert len(written) == 10_000


@pytest.fixture
def refusing(mapping, monkeypatch):
    """A table that answers each transaction with the next of these lists of codes."""
    monkeypatch.setattr(mapping.task_rows.time, "sleep", lambda _: None)

    class Refusing:
        exceptions = boto3.client("dynamodb", "us-east-1").exceptions

        def __init__(self, *answers):
            self.answers = list(answers)

        def transact_write_items(self, *, TransactItems):
            codes = self.answers.pop(0)
            assert len(TransactItems) == len(codes)
            if any(code != "None" for code in codes):
                told = {"CancellationReasons": [{"Code": code} for code in codes], "Error": {"Code": "Cancelled"}}
                raise self.exceptions.TransactionCanceledException(told, "TransactWriteItems")

    return Refusing


REFUSED, BUSY, NONE = "ConditionalCheckFailed", "TransactionConflict", "None"


def test_rows_are_written_without_those_that_are_further_and_again_while_the_table_is_busy(mapping, refusing):
    table = refusing([REFUSED, NONE, BUSY], [BUSY, BUSY], [NONE, REFUSED], [NONE])
    mapping.task_rows.write(table, [{}] * 3)
    assert table.answers == []


def test_rows_that_are_all_further_need_no_other_try(mapping, refusing):
    table = refusing([REFUSED, REFUSED])
    mapping.task_rows.write(table, [{}] * 2)
    assert table.answers == []


@pytest.mark.parametrize("last", [[BUSY, BUSY], [REFUSED, BUSY]])
def test_rows_that_are_not_written_in_the_last_try_are_an_error(mapping, refusing, last):
    table = refusing(*[[BUSY, BUSY]] * (mapping.task_rows.TRIES - 1), last)
    with pytest.raises(table.exceptions.TransactionCanceledException):
        mapping.task_rows.write(table, [{}] * 2)
    assert table.answers == []
