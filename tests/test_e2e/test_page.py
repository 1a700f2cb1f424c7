"""The page that `hpc up` serves, in a real Chromium on the real platform: from submit to download."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.test_e2e.conftest import wait_until

TEXT = "".join(f"line {number} é中\n" for number in range(250))
LONG = "".join(f"line {number}\n" for number in range(20_000))


@pytest.fixture(scope="session")
def url(platform) -> str:
    return json.loads(platform.hpc("show", "--platform", "--json").stdout)["web_url"]


@pytest.fixture
def page(browser, url) -> Iterator[Any]:
    context = browser.new_context(base_url=url)
    opened = context.new_page()
    opened.set_default_timeout(120_000)
    yield opened
    context.close()


def fill(page, project: str, file, lines: int) -> None:
    page.goto("/workflows/string_processing")
    page.fill("#ProjectNo", project)
    page.fill("#SPLIT_NUM", str(lines))
    page.set_input_files("#file", file)


def runs_of(platform, project: str) -> list[dict[str, Any]]:
    listed = json.loads(platform.hpc("runs", "--json").stdout)
    return [run for run in listed if run["project"] == project]


def test_a_double_click_is_one_run_that_is_watched_to_its_results(platform, page, tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text(TEXT)
    fill(page, "PageOnce", file, 50)
    page.click("button[value=check]")
    page.wait_for_selector(".done")
    page.dblclick("button[value=start]")
    page.wait_for_selector("section.results")
    with page.expect_download() as downloading:
        page.locator("section.results a").nth(1).click()
    assert downloading.value.path().read_text() == "".join(f"{line[::-1]}\n" for line in TEXT.splitlines())
    page.locator("td.log-link a").first.click()
    page.wait_for_selector(".log li")
    assert "String_Split is done: 250 lines" in page.locator(".log").inner_text()
    assert [run["status"] for run in runs_of(platform, "PageOnce")] == ["SUCCEEDED"]


def test_a_form_that_is_sent_twice_with_a_file_that_was_not_checked_is_one_run(platform, page):
    page.goto("/workflows/string_processing")
    hidden = "each => each.map(input => [input.name, input.value])"
    form = dict(page.eval_on_selector_all("input[type=hidden]", hidden)) | {
        "ProjectNo": "PageTwice",
        "SPLIT_NUM": "50",
        "architecture": "graviton",
        "source": "file",
        "action": "start",
        "file": {"name": "lines.txt", "mimeType": "text/plain", "buffer": TEXT.encode()},
    }
    places = [page.request.post(page.url, multipart=form).url for _click in range(2)]
    [run] = runs_of(platform, "PageTwice")
    assert [place.rpartition("/")[2] for place in places] == [run["run_id"]] * 2


def test_a_run_is_cancelled_and_resumed(platform, page, tmp_path):
    file = tmp_path / "long.txt"
    file.write_text(LONG)
    fill(page, "PageCancel", file, 100)
    page.click("button[value=start]")
    page.wait_for_selector("#cancel summary")
    page.click("#cancel summary")
    page.click("#cancel button")
    page.wait_for_selector("h1 .badge.cancelled")
    page.click("form[action$=resume] button")
    page.wait_for_selector("section.results")
    [run] = runs_of(platform, "PageCancel")
    assert (run["status"], run["resumes"]) == ("SUCCEEDED", 1)


def test_what_the_platform_refuses_is_said_beside_the_field(page):
    page.goto("/workflows/string_processing")
    page.fill("#ProjectNo", "<b>")
    page.check("#source-object")
    page.fill("#SPLIT_NUM", "ten")
    page.fill("#INPUT_BUCKET", "no-such-bucket")
    page.fill("#INPUT_KEY", "uploads/x")
    page.click("button[value=start]")
    page.wait_for_selector(".problems")
    assert page.locator("#ProjectNo-error, #SPLIT_NUM-error").count() == 2
    assert page.input_value("#ProjectNo") == "<b>"
    page.fill("#ProjectNo", "PageRefused")
    page.fill("#SPLIT_NUM", "10")
    page.click("button[value=start]")
    page.wait_for_selector("#INPUT_BUCKET-error")


def test_the_page_comes_back_after_it_was_killed(platform, url):
    file = platform.state_dir / "children.json"
    pid = json.loads(file.read_text())["page"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: json.loads(file.read_text())["page"] != pid and answers(f"{url}/runs"))


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return answer.status == 200
    except OSError:
        return False
