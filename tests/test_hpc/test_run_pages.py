"""Pages of runs: newest first, each once, whatever the filter."""

import base64
import json

import pytest

from hpc import run_pages
from hpc.run_pages import RunFilter, page_of_runs
from hpc.submission import new_run_id

DAY = "1999-12-31"


@pytest.fixture
def seven(make_run, project):
    """Seven final runs of one day long ago, oldest first."""
    return [
        make_run(
            run_id=f"{project}-{new_run_id()}",
            created_at=f"{DAY}T00:00:0{number}.000Z",
            status="FAILED" if number % 3 == 0 else "SUCCEEDED",
            owner="alice" if number % 2 else "bob",
        )
        for number in range(7)
    ]


def ids(runs, seven, wanted, limit=100):
    """Ids of this test's runs on all pages, and the pages' sizes."""
    mine, found, sizes, token = {run.run_id for run in seven}, [], [], None
    while True:
        page = page_of_runs(runs, wanted, limit=limit, after=token)
        found += [run.run_id for run in page.runs if run.run_id in mine]
        sizes.append(len(page.runs))
        token = page.next
        if token is None:
            return found, sizes


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_every_run_is_on_one_page_newest_first(runs, seven, limit):
    found, sizes = ids(runs, seven, RunFilter(day=DAY), limit)
    assert found == [run.run_id for run in seven[::-1]]
    assert max(sizes) <= limit


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (RunFilter(day=DAY, status="FAILED"), [6, 3, 0]),
        (RunFilter(day=DAY, owner="alice"), [5, 3, 1]),
        (RunFilter(day=DAY, owner="alice", status="FAILED"), [3]),
        (RunFilter(day=DAY, workflow="other"), []),
        (RunFilter(day="1999-12-30"), []),
        (RunFilter(owner="bob", workflow="string_processing"), [6, 4, 2, 0]),
    ],
)
def test_filters(runs, seven, wanted, numbers):
    assert ids(runs, seven, wanted)[0] == [seven[number].run_id for number in numbers]


def test_a_rare_run_is_found_over_pages_that_are_bounded(runs, seven, monkeypatch):
    monkeypatch.setattr(run_pages, "MAX_ROWS_READ", 2)
    found, sizes = ids(runs, seven, RunFilter(day=DAY, owner="alice", status="FAILED"))
    assert found == [seven[3].run_id]
    assert 0 in sizes


MADE = f"{DAY}T00:00:00.000Z"


@pytest.mark.parametrize(
    "document",
    ["x", "ab", [], ["a"], ["", MADE], [1, 2], {"a": 1}, {"a": 1, "b": 2}, ["a", None], ["a", ""], ["a", "x" * 1400]],
)
def test_a_token_of_something_else(runs, document):
    assert_is_none(runs, document)


@pytest.mark.parametrize(
    "document", [["a/b", MADE], ["a", f"{MADE}x"], ["\ud800", MADE], ["a", MADE, "c"], ["a", MADE[:10]]]
)
def test_a_token_of_no_run(runs, document):
    assert_is_none(runs, document)


def assert_is_none(runs, document):
    token = base64.urlsafe_b64encode(json.dumps(document).encode()).decode()
    assert page_of_runs(runs, RunFilter(), limit=1, after=token) is None


def test_a_token_that_is_no_json(runs):
    nested = base64.urlsafe_b64encode(b"[" * 1490).decode()
    assert page_of_runs(runs, RunFilter(), limit=1, after=nested) is None
    assert page_of_runs(runs, RunFilter(), limit=1, after="%%%") is None


def test_a_token_is_of_the_day_that_it_was_made_for(runs, seven):
    token = page_of_runs(runs, RunFilter(day=DAY), limit=1, after=None).next
    assert page_of_runs(runs, RunFilter(day=DAY), limit=1, after=token) is not None
    assert page_of_runs(runs, RunFilter(day="1999-12-30"), limit=1, after=token) is None


def test_what_its_execution_says_counts_and_only_of_runs_that_may_fit_it_is_asked(
    runs, make_ended_run, project, monkeypatch
):
    fails = {"End": {"Type": "Fail", "Error": "E"}}
    made = {"created_at": "1999-12-29T00:00:00.000Z", "status": "RUNNING"}
    mine = make_ended_run(fails, run_id=f"{project}-mine", owner="alice", **made)
    make_ended_run(fails, run_id=f"{project}-other", owner="bob", **made)
    asked = []
    reconciled = runs.reconciled
    monkeypatch.setattr(runs, "reconciled", lambda run: asked.append(run.run_id) or reconciled(run))
    page = page_of_runs(runs, RunFilter(day="1999-12-29", owner="alice", status="FAILED"), limit=9, after=None)
    assert [(run.run_id, run.status) for run in page.runs] == [(mine.run_id, "FAILED")]
    assert asked == [mine.run_id]
