"""Tables and checks of the page's benchmark, from made-up seconds and answers."""

import base64
import json
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest

from benchmarks import web
from benchmarks.timed_calls import Answer, WrongAnswer
from benchmarks.web import BARE, late_page, reads, reads_table, submissions_table, wait_until_ended

MINE = "20260131-093000-1a2b3c"
LISTS = ("GET /runs", "GET /runs, a late page", "GET /runs, a status of 1 in 10", "GET /runs, an owner of 1 in 1,000")


def rows(table):
    return list(zip(*(column.cells for column in table.columns), strict=True))


class Lists:
    """A caller of an API that has some runs, newest first; page tokens are positions."""

    def __init__(self, runs):
        self.runs = [run if isinstance(run, dict) else {"run_id": run} for run in runs]

    def api(self, _method, path):
        query = parse_qs(urlsplit(path).query)
        limit = int(query.get("limit", ["50"])[0])
        start = int(base64.b64decode(query["next"][0])) if "next" in query else 0
        end = start + limit
        token = base64.b64encode(str(end).encode()).decode() if end < len(self.runs) else None
        return Answer(json.dumps({"runs": self.runs[start:end], "next": token}).encode(), 0.25)


class Says:
    """A caller that hears the same whatever it asks."""

    def __init__(self, document, page=b""):
        self.document, self.page = document, page

    def api(self, *_arguments):
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


def test_the_whole_list_is_gone_through_to_a_page_near_its_end():
    caller = Lists([f"run-{number}" for number in range(1_050)])
    listed, path = late_page(caller, 1_050)
    assert listed == 1_050
    # The last page that begins within 95 % of the list.
    assert caller.api("GET", path).document["runs"][0] == {"run_id": "run-900"}


def test_a_short_list_has_a_late_page_too():
    caller = Lists([f"run-{number}" for number in range(201)])
    assert caller.api("GET", late_page(caller, 201)[1]).document["runs"][0] == {"run_id": "run-100"}


@pytest.mark.parametrize("runs", [["a"], ["a", "a"], ["a", "b", "c"], ["a", "b", "b"]])
def test_a_list_that_has_not_every_run_once_is_no_answer(runs):
    with pytest.raises(WrongAnswer, match="expected 2 runs, each once"):
        late_page(Lists(runs), 2)


def test_submitted_runs_have_to_succeed():
    ended = Lists([{"run_id": "a", "status": "SUCCEEDED"}, {"run_id": "b", "status": "FAILED"}])
    wait_until_ended(ended, ["a"])
    with pytest.raises(WrongAnswer, match=r"all submitted runs succeed, but not \{'b': 'FAILED'\}"):
        wait_until_ended(ended, ["a", "b"])


def test_runs_that_do_not_end_are_told(monkeypatch):
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr(web, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _seconds: None))
    with pytest.raises(WrongAnswer, match=r"but not \{'a': 'RUNNING', 'b': None\}"):
        wait_until_ended(Lists([{"run_id": "a", "status": "RUNNING"}]), ["a", "b"])


def test_a_right_answer_gives_its_seconds():
    run = {"run_id": MINE, "status": "CANCELLED", "owner": web.RARE_OWNER}
    calls = reads(Says({"runs": [run]}, page=MINE.encode()), "http://page", MINE, "/runs?next=x")
    assert {calls[name]() for name in LISTS if name != "GET /runs, a late page"} == {0.25}
    assert calls["the page's list"]() == calls["the page of a run"]() == 0.5
    other = reads(Says({"runs": [{"run_id": "other"}]}), "http://page", MINE, "/runs?next=x")
    assert other["GET /runs, a late page"]() == 0.25
    one = reads(Says({"status": "SUCCEEDED"}), "http://page", MINE, "/runs?next=x")
    assert one["GET /runs/{run_id}"]() == 0.25


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("GET /runs", {"runs": [{"run_id": "other"}]}),
        ("GET /runs, a late page", {"runs": [{"run_id": MINE}]}),
        ("GET /runs, a late page", {"runs": []}),
        ("GET /runs, a status of 1 in 10", {"runs": []}),
        ("GET /runs, a status of 1 in 10", {"runs": [{"run_id": MINE, "status": "FAILED"}]}),
        ("GET /runs, an owner of 1 in 1,000", {"runs": [{"run_id": MINE, "owner": "person-1"}]}),
        ("GET /runs/{run_id}", {"status": "RUNNING"}),
        ("the page's list", {}),
        ("the page of a run", {}),
    ],
)
def test_what_was_not_asked_for_is_no_answer(name, document):
    calls = reads(Says(document, page=b"<p>Nothing here"), "http://page", MINE, "/runs?next=x")
    with pytest.raises(WrongAnswer, match="found something else"):
        calls[name]()
