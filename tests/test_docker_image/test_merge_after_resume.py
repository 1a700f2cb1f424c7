"""The merge of a resumed run joins nothing that other code has made."""

from datetime import UTC, datetime, timedelta

import pytest


@pytest.fixture
def branch_done(run):
    """Two shards, their outputs and records."""
    run.stage.put(run.input_key, b"one\ntwo\n")
    run.split(1)
    for index in range(2):
        run.shard("repeat", index)
    return run


def test_records_from_that_time_on_are_joined(branch_done) -> None:
    branch_done.merge("repeat", MADE_SINCE=(datetime.now(UTC) - timedelta(minutes=5)).isoformat())
    assert branch_done.merged("repeat") == b"oneone\ntwotwo\n"


def test_older_records_are_missing_shards(branch_done) -> None:
    later = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    said = branch_done.merge("repeat", code=1, MADE_SINCE=later)
    assert "found no output of 2 of its shards, expected all of them" in said


def test_what_is_no_time_is_refused(branch_done) -> None:
    said = branch_done.merge("repeat", code=2, MADE_SINCE="yesterday")
    assert said == "MADE_SINCE: found 'yesterday', expected a time such as 2026-01-31T09:30:00Z\n"
