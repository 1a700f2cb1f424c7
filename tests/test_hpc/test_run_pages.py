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


@pytest.mark.parametrize("document", ["x", [], ["a"], ["", "b"], [1, 2], {"a": 1}, ["a", None]])
def test_a_token_that_is_none(runs, document):
    token = base64.urlsafe_b64encode(json.dumps(document).encode()).decode()
    assert page_of_runs(runs, RunFilter(), limit=1, after=token) is None
    assert page_of_runs(runs, RunFilter(), limit=1, after="%%%") is None
