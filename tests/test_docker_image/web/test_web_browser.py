"""The page in a real Chromium: from submit to download, in both languages and schemes, by keyboard, without scripts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.test_docker_image.web.conftest import ROOT
from tests.test_docker_image.web.platform_double import make_busy, queues

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
TEXT = "".join(f"line {number}\n" for number in range(250))


@pytest.fixture
def visit(browser, site):
    """Opens the page for a person; what the browser complains about afterwards fails the test."""
    opened, complaints = [], []

    def open_page(*, script=True, scheme="light", language="en-US", size=DESKTOP):
        context = browser.new_context(
            base_url=site.url, java_script_enabled=script, color_scheme=scheme, locale=language, viewport=size
        )
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        page.on("request", lambda asked: complaints.append(asked.url) if not asked.url.startswith(site.url) else None)
        return page

    yield open_page
    for context in opened:
        context.close()
    foreign = [text for text in complaints if not text.startswith(f"{site.double.url}/s3/")]
    assert foreign == []


@pytest.fixture
def going(site):
    """Adds runs that go on for as long as the test does."""
    added = []

    def add(project, **attributes):
        twenty_minutes_ago = datetime.now(UTC) - timedelta(minutes=20)
        added.append(site.double.add_run(project, takes_s=3600, created_at=twenty_minutes_ago, **attributes))
        return added[-1]

    yield add
    for run in added:
        run.takes_s = 0.0


@pytest.fixture
def busy(site, monkeypatch):
    """The platform's queues, with jobs in them."""
    found = queues()
    make_busy(found)
    monkeypatch.setattr(site.double, "queues", found)
    return found


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    file = tmp_path / "lines.txt"
    file.write_text(TEXT)
    return file


def fill(page, project, file, lines="100"):
    page.goto("/workflows/string_processing")
    page.fill("#ProjectNo", project)
    page.fill("#SPLIT_NUM", lines)
    page.set_input_files("#file", file)


in_each_look = pytest.mark.parametrize(
    "look",
    [
        {"scheme": "light", "language": "en-US", "size": DESKTOP},
        {"scheme": "dark", "language": "zh-CN", "size": DESKTOP},
        {"scheme": "dark", "language": "en-US", "size": PHONE},
        {"scheme": "light", "language": "zh-CN", "size": PHONE},
    ],
    ids=lambda look: "-".join([look["scheme"], look["language"], str(look["size"]["width"])]),
)


@in_each_look
def test_from_submit_to_download(visit, text_file, look):
    page = visit(**look)
    fill(page, f"Live-{look['language']}-{look['scheme']}", text_file)
    page.click("button[value=check]")
    page.wait_for_selector("#estimate dl")
    page.click("button[value=start]")
    page.wait_for_selector("h1 .badge.running, h1 .badge.waiting")
    # Without a click: the page looks again until the run is over.
    page.wait_for_selector("section.results")
    assert page.locator("[hx-trigger]").count() == 0
    assert page.locator("progress").evaluate("each => [each.value, each.max]") == [9, 9]  # 3 shards in 2 branches
    with page.expect_download() as downloading:
        page.locator("section.results a").nth(1).click()
    saved = Path(downloading.value.path()).read_text()
    assert saved == "".join(f"{line[::-1]}\n" for line in TEXT.splitlines())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_scripts_everything_can_be_done(visit, text_file, site):
    page = visit(script=False)
    fill(page, "NoScript", text_file)
    page.click("button[value=check]")
    assert page.locator("#estimate dl").is_visible()
    page.click("button[value=start]")
    run_id = page.url.rpartition("/")[2]
    site.double.runs[run_id].takes_s = 0
    page.click(".seen a")
    with page.expect_download() as downloading:
        page.locator("section.results a").first.click()
    assert Path(downloading.value.path()).read_text().startswith("line 0line 0\n")
    page.click(".actions a")
    assert page.input_value("#ProjectNo") == "NoScript"
    page.click("button[value=start]")
    second = page.url.rpartition("/")[2]
    assert second != run_id
    page.click("#cancel summary")
    page.click("#cancel button")
    assert page.locator("h1 .badge").inner_text() == "Cancelled"
    page.click("button:has-text('Resume')")
    assert site.double.runs[second].resumes == 1
    page.goto("/runs")
    page.fill("#search", "noscript")
    page.click(".filters button")
    assert page.locator("tbody tr").count() == 2


def test_with_the_keyboard_alone(visit, site):
    page = visit()
    page.goto("/workflows/string_processing")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    seen = []
    for _press in range(30):
        state = page.evaluate(
            "() => { const each = document.activeElement, look = getComputedStyle(each);"
            " return [each.id || each.value || each.textContent, look.outlineStyle, parseFloat(look.outlineWidth)] }"
        )
        assert (state[1], state[2] >= 2) == ("solid", True), state
        seen.append(state[0])
        if state[0] == "ProjectNo":
            page.keyboard.type("Keys")
        if state[0] == "source-file":
            page.keyboard.press("ArrowDown")
        if state[0] == "INPUT_BUCKET":
            page.keyboard.type("production-abc-data")
        if state[0] == "INPUT_KEY":
            page.keyboard.type("uploads/Keys/a.txt")
        if state[0] == "SPLIT_NUM":
            page.keyboard.type("10")
        if state[0] == "start":
            page.keyboard.press("Enter")
            break
        page.keyboard.press("Tab")
    page.wait_for_url("**/runs/*")
    assert "check" in seen
    assert any(run.parameters["ProjectNo"] == "Keys" for run in site.double.runs.values())


@pytest.mark.parametrize("script", [True, False])
def test_a_file_that_is_too_large_gets_an_answer_and_not_a_broken_connection(visit, tmp_path, script):
    file = tmp_path / "large.txt"
    file.write_bytes(b"x" * 10_000_000)
    page = visit(script=script)
    fill(page, "Large", file)
    page.click("button[value=start]")
    assert page.locator("h1").inner_text() == "That is too large"


def test_the_estimate_follows_the_form(visit):
    page = visit()
    page.goto("/workflows/string_processing")
    page.check("#source-object")
    for name, value in (("ProjectNo", "Est"), ("INPUT_BUCKET", "production-abc-data"), ("INPUT_KEY", "uploads/E/a")):
        page.fill(f"#{name}", value)
    page.fill("#SPLIT_NUM", "10")
    page.locator("#SPLIT_NUM").blur()
    page.wait_for_selector("#estimate dl")
    page.fill("#SPLIT_NUM", "ten")
    page.locator("#SPLIT_NUM").blur()
    page.wait_for_selector("#estimate dl", state="detached")
    assert page.input_value("#SPLIT_NUM") == "ten"


def test_looking_again_leaves_alone_what_a_person_is_doing(visit, going):
    run = going("Busy")
    page = visit()
    page.goto(f"/runs/{run.run_id}")
    page.click("#cancel summary")
    page.select_option("#state", "String_Repeat")
    page.focus("#state")
    seen = page.locator(".seen").first.inner_text()
    page.wait_for_function("text => document.querySelector('.seen').innerText !== text", arg=seen)
    assert page.evaluate("document.activeElement.id") == "state"
    assert page.input_value("#state") == "String_Repeat"
    assert page.locator("#cancel").get_attribute("open") is not None


def test_looking_again_leaves_alone_what_a_person_types_into_a_filter(visit, going):
    run = going("Typed")
    page = visit()
    page.goto("/runs")
    page.locator("#search").press_sequentially("Ty")
    run.takes_s = 0.0
    page.wait_for_selector(f"#run-{run.run_id} .badge.succeeded")
    page.locator(":focus").press_sequentially("ped")
    assert page.input_value("#search") == "Typed"
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs?search=Typed")
    assert page.locator("tbody tr").count() == 1


def test_the_platform_is_looked_at_again(visit, site, busy):
    page = visit()
    page.goto("/platform")
    assert page.locator(".queues tbody tr").first.locator(".vcpus .figure").inner_text() == "400 of 512 vCPUs"
    busy[0] |= {"running_vcpus": 8.0}
    page.wait_for_selector(".queues .vcpus .figure:text-is('8 of 512 vCPUs')")


def test_a_platform_that_stops_answering_leaves_the_last_picture(visit, site, going):
    run = going("Gone")
    page = visit()
    page.goto(f"/runs/{run.run_id}")
    site.double.answers_nothing = True
    try:
        with page.expect_response(lambda answer: answer.status == 502):
            pass
        assert page.locator("h1").inner_text().startswith("Gone")
    finally:
        site.double.answers_nothing = False
    run.takes_s = 0.0
    page.wait_for_selector("section.results")


@in_each_look
@pytest.mark.usefixtures("busy")
def test_axe_finds_nothing(visit, site, going, look):
    """Every rule of axe, whatever it calls the impact."""
    failed = site.double.add_run("Axe", fails=True)
    done = site.double.add_run("Axe", owner="arn:aws:iam::123456789012:user/lin")
    page = visit(**look)
    paths = [
        "/workflows",
        "/workflows/string_processing",
        f"/workflows/string_processing?again={done.run_id}",
        "/runs",
        "/runs?search=nothing",
        *(f"/runs/{run.run_id}" for run in (failed, done, going("Axe"), going("Axe2", waits=True))),
        f"/runs/{failed.run_id}/tasks/String_Repeat-3/log",
        "/runs/nothing",
        "/platform",
    ]
    found = {}
    for path in paths:
        page.goto(path)
        found[path] = violations(page)
    page.goto("/workflows/string_processing")
    page.fill("#ProjectNo", "<b>")
    page.click("button[value=start]")
    page.wait_for_selector(".problems")
    found["errors"] = violations(page)
    assert {path: each for path, each in found.items() if each} == {}


def violations(page):
    # The page's own policy permits no script of others; Chromium lets the tests' own evaluation through.
    page.evaluate(AXE.read_text())
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert len(result["passes"]) > 10
    return [(each["id"], each["nodes"][0]["html"][:200]) for each in result["violations"]]


@pytest.mark.parametrize(
    "size", [{"width": 320, "height": 700}, {"width": 768, "height": 1024}, {"width": 2560, "height": 1300}]
)
@pytest.mark.usefixtures("busy")
def test_nothing_is_wider_than_the_screen(visit, site, size):
    run = site.double.add_run("W" * 64, fails=True, owner="o" * 120, reasons=["r" * 400])
    page = visit(size=size)
    of_runs = ("/runs", f"/runs/{run.run_id}", "/runs/nothing")
    for path in ("/workflows", "/workflows/string_processing", *of_runs, "/platform"):
        page.goto(path)
        wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], path
