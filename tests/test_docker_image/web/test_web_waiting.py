"""Why a run waits, on its page: when it is asked for, and what is shown of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from tests.test_docker_image.web.api_contract import PROBLEM
from tests.test_docker_image.web.conftest import CHINESE, parsed, words
from tests.test_docker_image.web.run_double import text_of

SENTENCE = "7 jobs wait for room: 1 of the 1 vCPUs of the queue <first> are taken by 1 job; expected 1 free"


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def shown(page, run, **arguments):
    answer = page.client.get(f"/runs/{run.run_id}", **arguments)
    assert answer.status_code == 200
    return parsed(answer).select_one("section.waits")


def times_asked(page) -> int:
    return sum(path.endswith("/doctor") for _, path, _ in page.double.calls)


@pytest.fixture
def waiting(page):
    return page.double.add_run("Soil1", waits=True, takes_s=6000, created_at=ago(31), status_said="RUNNING")


@pytest.mark.parametrize(
    ("headers", "title", "label"), [({}, "Why it waits", "What to do:"), (CHINESE, "等待原因", "处理方法\uff1a")]
)
def test_each_finding_is_shown_with_what_to_do_above_the_progress(page, waiting, headers, title, label):
    section = shown(page, waiting, headers=headers)
    assert words(section.h2) == title
    [item] = section.select("li")
    assert words(item) == f"{SENTENCE} {label} wait until others end, or raise it"
    # What the platform says is English in each language of the page.
    assert [words(each) for each in item.select("[lang=en]")] == [SENTENCE, "wait until others end, or raise it"]
    assert words(section.find_next_sibling("section").h2) in {"Progress", "进度"}


@pytest.mark.parametrize(
    ("age_s", "status", "waits"),
    [
        pytest.param(5, "RUNNING", True, id="only just submitted"),
        pytest.param(5, "PENDING", True, id="only just submitted, not started"),
        pytest.param(600, "RUNNING", False, id="tasks run"),
        pytest.param(600, "FAILED", True, id="it is over"),
        pytest.param(6001, "RUNNING", False, id="all tasks are done"),
    ],
)
def test_a_run_that_does_not_wait_is_not_asked_about(page, age_s, status, waits):
    run = page.double.add_run("Soil1", takes_s=6000, created_at=ago(age_s), status_said=status, waits=waits)
    assert shown(page, run) is None
    assert times_asked(page) == 0


def test_a_run_that_was_only_just_resumed_is_not_asked_about(page, waiting, monkeypatch):
    described = page.double.get_run
    started_at = text_of(ago(5))
    monkeypatch.setattr(
        page.double,
        "get_run",
        lambda request: (200, described(request)[1] | {"created_at": text_of(ago(600)), "started_at": started_at}),
    )
    assert shown(page, waiting) is None
    assert times_asked(page) == 0
    started_at = text_of(ago(31))
    assert shown(page, waiting)


def test_a_run_that_does_not_start_is_asked_about(page):
    shown(page, page.double.add_run("Soil1", takes_s=6000, created_at=ago(31), status_said="PENDING", waits=True))
    assert times_asked(page) == 1


def test_nothing_is_shown_when_all_is_well_or_could_not_be_checked(page, waiting, monkeypatch):
    answer = page.double.get_doctor
    monkeypatch.setattr(
        page.double,
        "get_doctor",
        lambda request: (200, {"lines": [each for each in answer(request)[1]["lines"] if each["status"] != "found"]}),
    )
    assert shown(page, waiting) is None
    assert times_asked(page) == 1


@pytest.mark.parametrize("status", [422, 503])
def test_a_call_that_fails_keeps_nobody_from_the_run(page, waiting, monkeypatch, status):
    def refuse(_request):
        raise PROBLEM(status, "no")

    monkeypatch.setattr(page.double, "get_doctor", refuse)
    assert shown(page, waiting) is None
    assert shown(page, waiting) is None
    assert times_asked(page) == 1


def test_looking_again_asks_once_in_half_a_minute(page, waiting, monkeypatch):
    now = 1000.0
    monkeypatch.setattr("web_application.recent.time", SimpleNamespace(monotonic=lambda: now))
    for _look in range(3):
        assert shown(page, waiting)
    assert times_asked(page) == 1
    other = page.double.add_run("Soil2", waits=True, takes_s=6000, created_at=ago(31), status_said="RUNNING")
    assert shown(page, other)
    assert times_asked(page) == 2
    now += 31
    assert shown(page, waiting)
    assert times_asked(page) == 3
    assert {run_id for _kind, run_id in page.client.application.extensions["recent"]} == {waiting.run_id}


def test_who_comes_while_it_is_being_asked_gets_the_page_without_asking_too(page, waiting, monkeypatch):
    answer = page.double.get_doctor
    meanwhile = []

    def slow(request):
        if times_asked(page) == 1:
            other = page.client.application.test_client()
            meanwhile.append(other.get(f"/runs/{waiting.run_id}"))
        return answer(request)

    monkeypatch.setattr(page.double, "get_doctor", slow)
    assert shown(page, waiting)
    assert [answered.status_code for answered in meanwhile] == [200]
    assert parsed(meanwhile[0]).select_one("section.waits") is None
    assert times_asked(page) == 1
