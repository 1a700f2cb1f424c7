"""Groups: counts of array jobs and rows of the children that failed, which no event tells of."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from tests.test_lambda.batch_history import CREATED_MS, job_history
from tests.test_lambda.test_record_event import RUN, put_run


def group_of(jobs_definition, shards, *, failed):
    """An array job with its children, those numbered `failed` FAILED and the others SUCCEEDED."""
    (base,) = job_history(*jobs_definition, "RUNNABLE", "String_Repeat_Group-0")
    given = {
        "STATE": "String_Repeat",
        "OUTPUT_BUCKET": shards["bucket"],
        "SHARD_LIST_KEY": shards["key"],
        "GROUP_OFFSET": "0",
        "SHARD_DIGITS": "5",
    }
    environment = [{"name": name, "value": value} for name, value in given.items()]
    base = {**base, "container": {**base["container"], "environment": environment}}
    summary = {"SUCCEEDED": shards["size"] - len(failed), "FAILED": len(failed)}
    parent = {**base, "status": "FAILED" if failed else "SUCCEEDED"}
    parent["arrayProperties"] = {"size": shards["size"], "statusSummary": summary}
    children = [
        {
            **base,
            "jobId": f"{base['jobId']}:{child}",
            "status": "FAILED" if child in failed else "SUCCEEDED",
            "arrayProperties": {"index": child},
        }
        for child in range(shards["size"])
    ]
    return [parent, *children]


def put_list(store, name, numbers):
    store.put({name: "".join(f"{number:05d}\n" for number in numbers).encode()})
    return {"bucket": store.bucket, "key": name, "size": len(numbers)}


@pytest.fixture
def children(known, modules, store, monkeypatch):
    """The children of made-up array jobs are listed, and S3 is asked for the lists of their shards.

    Gives the ids of the array jobs whose children were listed.
    """
    listed = []

    def list_jobs(*, arrayJobId, jobStatus, maxResults):
        listed.append(arrayJobId)
        of_array = [job for job in known.jobs if job["jobId"].startswith(f"{arrayJobId}:")]
        return {"jobSummaryList": [job for job in of_array if job["status"] == jobStatus][:maxResults]}

    def paginate(*, arrayJobId, jobStatus):
        of_array = [job for job in known.jobs if job["jobId"].startswith(f"{arrayJobId}:")]
        yield {"jobSummaryList": [job for job in of_array if job["status"] == jobStatus]}

    batch = SimpleNamespace(list_jobs=list_jobs, get_paginator=lambda _name: SimpleNamespace(paginate=paginate))
    monkeypatch.setattr(modules.groups, "client", lambda service: store.client if service == "s3" else batch)
    return listed


@pytest.mark.usefixtures("children")
@pytest.mark.parametrize("first", ["some of the shards", "all of them"])
def test_rows_of_failed_children_follow_their_shards_into_the_next_group(known, reconcile, run_table, store, first):
    put_run(run_table, "RUNNING", "")
    if first == "all of them":  # no list is written
        shards, failed = {"bucket": store.bucket, "key": "try_1.all", "size": 14}, {5, 13}
    else:
        shards, failed = put_list(store, "try_1", [3, 5, 8, 13]), {1, 3}
    known.jobs = group_of((0, ["failed"]), shards, failed=failed)
    reconcile()
    rows = run_table.rows(RUN)
    statuses = {row["index"]: row["status"] for row in rows.values() if row.get("state") == "String_Repeat"}
    assert statuses == {5: "FAILED", 13: "FAILED"}
    counts = {"SUCCEEDED": shards["size"] - 2, "FAILED": 2}
    assert rows["TASK#String_Repeat_Group#000000"]["counts"] == counts
    assert reconcile().sent == 0

    known.jobs += group_of((1, ["failed"]), put_list(store, "try_2", [5, 13]), failed={1})
    reconcile()

    rows = run_table.rows(RUN)
    statuses = {row["index"]: row["status"] for row in rows.values() if row.get("state") == "String_Repeat"}
    assert statuses == {5: "SUCCEEDED", 13: "FAILED"}
    assert rows["TASK#String_Repeat_Group#000000"]["counts"] == {"SUCCEEDED": 1, "FAILED": 1}
    assert reconcile().sent == 0


def of_shards(run_table):
    """The rows of shards by their number."""
    rows = run_table.rows(RUN).values()
    return {int(row["index"]): row for row in rows if row.get("state") == "String_Repeat"}


def ends(row):
    """How each job of a row ended, oldest first."""
    return [row[name]["status"] for name in sorted(row) if name.startswith("job:")]


def plan_shard(known, index, after_try):
    """What Job_Map writes of a shard that the next try has by itself."""
    version = f"{CREATED_MS + after_try * 100_000 + 50_000:013d}"
    row = {"pk": RUN, "sk": f"TASK#String_Repeat#{index:06d}", "version": version, "status": "PENDING"}
    known.table.put_item(Item={**row, "state": "String_Repeat", "index": index})


def all_of(store, size):
    return {"bucket": store.bucket, "key": "try_1.all", "size": size}


@pytest.mark.usefixtures("children")
def test_a_child_that_failed_is_in_its_row_although_the_next_try_is_planned(known, reconcile, run_table, store):
    # Given two children that failed, and a next try that is planned before anybody has looked
    put_run(run_table, "RUNNING", "")
    known.jobs = group_of((0, ["failed"]), all_of(store, 14), failed={5, 13})
    plan_shard(known, 5, after_try=0)

    reconcile()

    rows = of_shards(run_table)
    assert {index: (row["status"], ends(row)) for index, row in rows.items()} == {
        5: ("PENDING", ["FAILED"]),
        13: ("FAILED", ["FAILED"]),
    }
    assert reconcile().sent == 0


@pytest.mark.usefixtures("children")
def test_children_of_every_try_are_in_their_rows_although_the_last_one_has_begun(known, reconcile, run_table, store):
    # Given three tries of which nobody has seen the first two
    put_run(run_table, "RUNNING", "")
    known.jobs = group_of((0, ["failed"]), all_of(store, 14), failed={5, 8, 13})
    known.jobs += group_of((1, ["failed"]), put_list(store, "try_2", [5, 8, 13]), failed={0, 2})
    known.jobs += group_of((2, ["failed"]), put_list(store, "try_3", [5, 13]), failed={1})

    looks = [reconcile().sent for _ in range(2)]

    assert looks[1] == 0
    rows = of_shards(run_table)
    assert {index: (row["status"], ends(row)) for index, row in rows.items()} == {
        5: ("SUCCEEDED", ["FAILED", "FAILED", "SUCCEEDED"]),
        8: ("SUCCEEDED", ["FAILED", "SUCCEEDED"]),
        13: ("FAILED", ["FAILED", "FAILED", "FAILED"]),
    }
    assert ends(run_table.rows(RUN)["TASK#String_Repeat_Group#000000"]) == ["FAILED", "FAILED", "FAILED"]


def test_a_hundred_of_a_groups_children_that_failed_have_rows_and_are_listed_once(
    known, reconcile, run_table, store, children
):
    put_run(run_table, "RUNNING", "")
    known.jobs = group_of((0, ["failed"]), all_of(store, 250), failed=set(range(50, 200)))

    reconcile()

    assert sorted(of_shards(run_table)) == list(range(50, 150))
    assert (reconcile().sent, children) == (0, [known.jobs[0]["jobId"]])


@pytest.mark.usefixtures("children")
def test_a_group_that_is_over_gets_the_time_that_its_children_took(known, modules, reconcile, run_table):
    put_run(run_table, "RUNNING", "")
    shards = {"bucket": "any", "key": "try_1.all", "size": 4}
    known.jobs = group_of((0, ["failed"]), shards, failed={2})
    for child in known.jobs[1:]:
        child |= {"startedAt": CREATED_MS, "stoppedAt": CREATED_MS + 1500}
    # A child that was ended before it started took none.
    del known.jobs[1]["startedAt"]
    reconcile()
    assert reconcile().sent == 0
    rows = run_table.rows(RUN)
    (kept,) = (value for name, value in rows["TASK#String_Repeat_Group#000000"].items() if name.startswith("job:"))
    assert kept["child_seconds"] == {"SUCCEEDED": 3, "FAILED": Decimal("1.5")}
    # And a late event of the group's end does not take it away
    known.send([modules.platform_access.job_message(known.jobs[0]) | {"time": "2020-01-01T00:00:00.000+00:00"}])
    assert run_table.rows(RUN) == rows


@pytest.mark.usefixtures("children")
def test_few_groups_get_their_times_in_one_look_and_the_others_in_later_ones(
    known, modules, reconcile, run_table, monkeypatch
):
    monkeypatch.setattr(modules.groups, "GROUPS_TIMED_AT_ONCE", 2)
    put_run(run_table, "RUNNING", "")
    shards = {"bucket": "any", "key": "try_1.all", "size": 2}
    for number in range(3):
        known.jobs += group_of((number, ["failed"]), shards, failed=set())

    def timed():
        row = run_table.rows(RUN)["TASK#String_Repeat_Group#000000"]
        return ["child_seconds" in row[name] for name in sorted(row) if name.startswith("job:")]

    seen = [(reconcile().sent, timed()) for _ in range(3)]

    # The third group's end is told at once, its times in the next look.
    assert seen == [(3, [True, True, False]), (1, [True, True, True]), (0, [True, True, True])]
