"""Tables and checks of the page's benchmark, from made-up seconds and answers."""

import json
from types import SimpleNamespace

import pytest

from benchmarks import web
from benchmarks.timed_calls import Answer, WrongAnswer
from benchmarks.web import BARE, late_page, reads, reads_table, submissions_table, wait_until_ended

MINE = "20260131-093000-1a2b3c"
DAY = "2026-01-20"


def rows(table):
    return list(zip(*(column.cells for column in table.columns), strict=True))


class Says:
    """A caller that hears the same whatever it asks."""

    def __init__(self, document, page=b""):
        self.document, self.page, self.asked = {"next": "token"} | document, page, []

    def api(self, method, path):
        self.asked.append((method, path))
        return Answer(json.dumps(self.document).encode(), 0.25)

    def get(self, _url):
        return Answer(self.page, 0.5)


def test_reads_are_set_beside_the_bare_call():
    seconds = {BARE: [0.004, 0.002, 0.010], "GET /runs": [0.2, 0.1, 0.3]}
    assert rows(reads_table(seconds)) == [
        (BARE, "3", "4.0", "10.0", "1.0", "1.0"),
        ("GET /runs", "3", "200.0", "300.0", "50.0", "30.0"),
    ]


def test_submissions_a_second_are_those_of_all_callers():
    seconds = {BARE: [0.01, 0.01], "POST /runs": [0.5, 0.3]}
    assert rows(submissions_table(seconds, 4)) == [
        (BARE, "2", "400.0", "1.000", "10.0", "10.0"),
        ("POST /runs", "2", "10.0", "0.025", "300.0", "500.0"),
    ]


def test_a_late_page_follows_the_newest_run_of_its_day():
    caller = Says({"next": "a=="})
    assert late_page(caller, DAY) == "/runs?next=a%3D%3D"
    assert caller.asked == [("GET", f"/runs?day={DAY}&limit=1")]


def test_without_other_runs_on_its_day_there_is_no_late_page():
    with pytest.raises(WrongAnswer, match=f"expected more than one run of {DAY}"):
        late_page(Says({"next": None}), DAY)


def test_submitted_runs_have_to_succeed():
    ended = Says({"runs": [{"run_id": "a", "status": "SUCCEEDED"}, {"run_id": "b", "status": "FAILED"}]})
    wait_until_ended(ended, ["a"])
    with pytest.raises(WrongAnswer, match=r"all submitted runs succeed, but not \{'b': 'FAILED'\}"):
        wait_until_ended(ended, ["a", "b"])


def test_runs_that_do_not_end_are_told(monkeypatch):
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr(web, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _seconds: None))
    with pytest.raises(WrongAnswer, match=r"but not \{'a': 'RUNNING', 'b': None\}"):
        wait_until_ended(Says({"runs": [{"run_id": "a", "status": "RUNNING"}]}), ["a", "b"])


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("GET /runs", {"runs": [{"run_id": MINE}]}),
        ("GET /runs, a late page", {"runs": [{"run_id": "other", "created_at": f"{DAY}T08:00:00.000Z"}]}),
        ("GET /runs, a status of 1 in 10", {"runs": [{"status": "CANCELLED"}, {"status": "CANCELLED"}]}),
        ("GET /runs/{run_id}", {"status": "SUCCEEDED"}),
    ],
)
def test_a_right_answer_gives_its_seconds(name, document):
    assert reads(Says(document), "http://page", MINE, DAY)[name]() == 0.25


def test_pages_that_show_the_run_give_their_seconds():
    calls = reads(Says({}, page=f"<a>{MINE}</a>".encode()), "http://page", MINE, DAY)
    assert calls["the page's list"]() == calls["the page of a run"]() == 0.5


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("GET /runs", {"runs": [{"run_id": "other"}]}),
        ("GET /runs, a late page", {"runs": [{"run_id": MINE, "created_at": "2026-01-31T09:30:00.000Z"}]}),
        ("GET /runs, a late page", {"runs": []}),
        ("GET /runs, a status of 1 in 10", {"runs": []}),
        ("GET /runs, a status of 1 in 10", {"runs": [{"status": "CANCELLED"}, {"status": "FAILED"}]}),
        ("GET /runs/{run_id}", {"status": "RUNNING"}),
        ("the page's list", {}),
        ("the page of a run", {}),
    ],
)
def test_what_was_not_asked_for_is_no_answer(name, document):
    calls = reads(Says(document, page=b"<p>Nothing here"), "http://page", MINE, DAY)
    with pytest.raises(WrongAnswer, match="found something else"):
        calls[name]()
