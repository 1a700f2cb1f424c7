"""Rows of ended runs: as the run table would have them, and as the command line reads them."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.run_rows import DAYS, OWNERS, ended_runs
from hpc.run import FINAL, Run

UNTIL = datetime(2026, 3, 1, 12, tzinfo=UTC)
COUNT = 2_000


@pytest.fixture(scope="module")
def rows():
    return list(ended_runs(COUNT, until=UNTIL))


def test_each_row_is_a_run_that_ended_after_it_started(rows):
    runs = [Run.of_item(row) for row in rows]
    assert {run.status for run in runs} == FINAL
    assert all(run.created_at < run.started_at < run.stopped_at for run in runs)
    assert all(run.reasons if run.status == "FAILED" else not run.reasons for run in runs)
    assert {row["sk"] for row in rows} == {"META"}
    assert all(run.execution_arn.endswith(f":{run.run_id}-1") for run in runs)


def test_no_two_rows_have_one_key_or_one_time(rows):
    assert len({row["pk"] for row in rows}) == len({row["created_at"] for row in rows}) == COUNT


def test_rows_come_newest_first_from_all_days_before(rows):
    times = [datetime.fromisoformat(row["created_at"]) for row in rows]
    assert times == sorted(times, reverse=True)
    assert times[0] < UNTIL and times[-1] == UNTIL - timedelta(days=DAYS)
    assert len({time.date() for time in times}) == DAYS + 1


def test_one_run_in_ten_was_cancelled_and_owners_have_as_many_runs(rows):
    assert Counter(row["status"] for row in rows)["CANCELLED"] == COUNT / 10
    owners = Counter(row["owner"] for row in rows)
    assert len(owners) == OWNERS and set(owners.values()) == {COUNT / OWNERS}


def test_rows_are_what_dynamodb_takes(rows):
    assert json.loads(rows[3]["reasons"]) and rows[3]["reason_count"] == 1
    assert not any(value is None or isinstance(value, float) for value in rows[3].values())
