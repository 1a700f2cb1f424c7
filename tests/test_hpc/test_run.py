"""What a run's row says: its id, and the run for scripts."""

import pytest

from hpc.errors import WrongInput
from hpc.run import check_run_id


@pytest.mark.parametrize("text", ["", "a/b", "../x", "-x", "a b", "x" * 81, "a\n"])
def test_what_is_no_run_id_is_refused(text):
    with pytest.raises(
        WrongInput, match=r"^RUN: found .*; expected a run's id such as 20260131-093000-1a2b3c; see: hpc runs$"
    ):
        check_run_id(text)


@pytest.mark.parametrize("text", ["20260131-093000-1a2b3c", "started-by_hand"])
def test_run_ids(text):
    assert check_run_id(text) == text


def test_a_run_for_scripts(make_run):
    run = make_run(shards=2)
    assert run.as_json() == {
        "run_id": run.run_id,
        "workflow": "string_processing",
        "project": run.project,
        "status": "PENDING",
        "owner": None,
        "created_at": run.created_at,
        "started_at": None,
        "stopped_at": None,
        "parameters": {"ProjectNo": run.project, "SPLIT_NUM": 10, "architecture": "x86"},
        "reasons": [],
        "reason_count": 0,
        "resumes": 0,
    }
