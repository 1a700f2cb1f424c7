"""Each page as parsed HTML, in both languages."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from tests.test_docker_image.web.api_contract import PROBLEM
from tests.test_docker_image.web.conftest import CHINESE, WEB_APPLICATION, fragment, parsed, words

LANGUAGES = [("en", {}), ("zh-Hans", CHINESE)]


@pytest.fixture
def failed(page):
    return page.double.add_run("Soil1", fails=True, created_at=datetime.now(UTC) - timedelta(minutes=5), takes_s=90)


@pytest.mark.parametrize(("language", "headers"), LANGUAGES)
def test_every_page_is_valid_in_both_languages(page, failed, language, headers):
    page.double.add_run("Soil2")
    running = page.double.add_run("Soil3", takes_s=600, created_at=datetime.now(UTC) - timedelta(minutes=5))
    page.double.add_run("Soil4", takes_s=600, created_at=datetime.now(UTC) - timedelta(minutes=5), waits=True)
    paths = [
        "/workflows",
        "/workflows/string_processing",
        f"/workflows/string_processing?again={failed.run_id}",
        "/runs",
        "/runs?search=Soil&status=FAILED&owner=shared&day=2026-01-31&workflow=string_processing",
        *(f"/runs/{run_id}" for run_id in page.double.runs),
        f"/runs/{failed.run_id}?state=String_Repeat&task_status=FAILED",
        f"/runs/{failed.run_id}/tasks/String_Repeat-3/log",
        f"/runs/{running.run_id}/tasks/String_Split-0/log",
        "/platform",
    ]
    for path in paths:
        answer = page.client.get(path, headers=headers)
        document = parsed(answer)
        assert (answer.status_code, document.html["lang"]) == (200, language), path
        assert len(document.select("h1")) == 1
        assert document.title.text.endswith(" · HPC")
        assert not document.select("[style], style, [onclick], script:not([src])"), path
        ids = [each["id"] for each in document.select("[id]")]
        assert len(ids) == len(set(ids)), path
        for label in document.select("label[for]"):
            assert label["for"] in ids
        for each in document.select("[aria-describedby]"):
            assert set(each["aria-describedby"].split()) <= set(ids), each
    missing = page.client.get("/runs/none", headers=headers)
    assert (missing.status_code, parsed(missing).html["lang"]) == (404, language)


def test_the_form_is_made_from_the_schema(page):
    document = parsed(page.client.get("/workflows/string_processing"))
    schema = page.double.workflow["parameters"]
    for name, rule in schema["properties"].items():
        entries = document.select(f"[name={name}]")
        assert entries, name
        if "enum" in rule:
            assert [each["value"] for each in entries] == rule["enum"]
            assert [each["value"] for each in entries if each.has_attr("checked")] == [rule["default"]]
            continue
        entry = entries[0]
        explained = words(document.find(id=f"{name}-help"))
        assert " ".join(rule["description"].split()) in explained
        assert str(rule["examples"][0]) in explained
        assert (entry.get("aria-required") == "true") == (name in schema["required"])
        if rule.get("unit"):
            assert rule["unit"] in words(entry.parent)


def test_the_steps_are_drawn_with_their_counts_and_the_table_says_the_same(page, failed):
    document = parsed(page.client.get(f"/runs/{failed.run_id}"))
    picture = document.select_one("svg.graph.wide")
    drawn = {words(box.title): words(box.select_one(".count")) for box in picture.select("g.box")}
    assert drawn == {
        "Split into shards": "1 / 1",
        "Repeat lines": "3 / 4 · ✕ 1",
        "Reverse lines": "4 / 4",
        "Join repeated shards": "0 / 1",
        "Join reversed shards": "1 / 1",
    }
    assert [each["class"][-1] for each in picture.select("g.box")] == [
        "succeeded", "failed", "succeeded", "waiting", "succeeded",
    ]  # fmt: skip
    assert len(picture.select("path.line")) == 4
    rows = [[words(cell) for cell in row.select("th, td")] for row in document.select("table.steps tbody tr")]
    assert rows[1] == ["Repeat lines", "", "3", "0", "1", "4"]
    assert "9 of 11 tasks" in words(document.select_one(".progress"))


def test_the_picture_is_in_the_languages_of_the_page(page, failed):
    for path in ("/workflows", f"/runs/{failed.run_id}"):
        for box in parsed(page.client.get(path, headers=CHINESE)).select("svg.graph.wide g.box"):
            title = words(box.title)
            assert not title.isascii(), path
            assert title.startswith(words(box.select_one("text")).rstrip("…"))


def test_every_class_has_a_style_and_every_style_is_of_use(page, failed):
    folder = WEB_APPLICATION / "web_application"
    style = re.sub(r"/\*.*?\*/", "", (folder / "static" / "page.css").read_text(), flags=re.DOTALL)
    styled = {
        name for selector in re.findall(r"([^{}]+)\{", style) for name in re.findall(r"\.([a-z][\w-]*)", selector)
    }
    shown = set()
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    waiting = page.double.add_run("Soil4", takes_s=600, created_at=long_ago, waits=True)
    of_runs = [f"/runs/{failed.run_id}", f"/runs/{waiting.run_id}", f"/runs/{failed.run_id}/tasks/String_Split-0/log"]
    for path in ("/workflows", "/workflows/string_processing", "/runs", *of_runs, "/platform", "/nowhere"):
        for each in parsed(page.client.get(path)).select("[class]"):
            shown |= set(each["class"])
    assert shown - styled == set()
    sources = [*folder.glob("templates/*.html"), folder / "wording.py", folder / "graph.py"]
    named = set(re.findall(r"[\w-]+", "".join(file.read_text() for file in sources)))
    assert styled - named == set()


def test_what_failed_says_why_and_what_the_log_said(page, failed):
    document = parsed(page.client.get(f"/runs/{failed.run_id}?task_status=FAILED"))
    assert "String_Repeat-3: line 7 is longer than 64 MiB" in words(document.select_one(".problems"))
    [row] = document.select(".tasks-table tbody tr")
    cells = [words(cell) for cell in row.select("th, td")]
    expected = ["String_Repeat-3", "Failed", "3", "line 7 is longer than 64 MiB; <b>found</b> 70000000 bytes"]
    assert cells[:4] == expected
    log = parsed(page.client.get(row.select_one("a")["href"]))
    assert "reads uploads/<i>lines.txt</i>" in words(log.select_one(".log"))


def test_results_that_cannot_be_fetched_here_say_why(page):
    run = page.double.add_run("Soil1", owner="lin.wei")
    document = parsed(page.client.get(f"/runs/{run.run_id}"))
    assert not document.select("section.results")
    said = words(document.select_one(".notice"))
    assert said.startswith("The results cannot be fetched here: ")
    assert "found it owned by lin.wei; expected shared" in said


def test_only_an_unfinished_run_looks_again(page, failed):
    running = page.double.add_run("Soil2", takes_s=600, created_at=datetime.now(UTC) - timedelta(minutes=5))
    live = parsed(page.client.get(f"/runs/{running.run_id}")).find(id="live")
    assert (live["hx-trigger"], live["hx-select"], live["hx-swap"]) == ("every 3s", "#live", "outerMorph")
    assert live["hx-get"].startswith(f"/runs/{running.run_id}")
    assert not parsed(page.client.get(f"/runs/{failed.run_id}")).select("[hx-get]")
    assert parsed(page.client.get("/runs")).find(id="live").has_attr("hx-get")


def test_an_action_is_offered_only_where_it_can_be_done(page, failed):
    def offered(run):
        document = parsed(page.client.get(f"/runs/{run.run_id}"))
        return {form["action"].rpartition("/")[2] for form in document.select("form[method=post]")}

    running = page.double.add_run("Soil2", takes_s=600, created_at=datetime.now(UTC) - timedelta(minutes=5))
    assert offered(running) == {"cancel"}
    assert offered(failed) == {"resume"}
    assert offered(page.double.add_run("Soil3")) == set()


def test_runs_are_filtered_searched_and_paged(page, failed):
    for number in range(30):
        page.double.add_run(f"Many{number:02}", created_at=datetime.now(UTC) - timedelta(hours=1, minutes=number))

    def listed(path):
        document = parsed(page.client.get(path))
        return [words(each) for each in document.select("tbody th a")], document

    first, document = listed("/runs")
    assert len(first) == 25
    second, _document = listed(document.select_one("a[rel=next]")["href"])
    assert len(second) == 6
    assert not set(first) & set(second)
    assert listed("/runs?status=FAILED")[0] == ["Soil1"]
    assert listed("/runs?search=many2")[0] == [f"Many{number}" for number in range(20, 30)]
    found = page.client.get(f"/runs?search={failed.run_id}")
    assert (found.status_code, found.location) == (302, f"/runs/{failed.run_id}")
    none, document = listed("/runs?owner=nobody")
    assert (none, words(document.select_one(".empty"))) == ([], "No run fits.")


def test_a_search_does_not_look_again_by_itself_but_offers_to(page):
    page.double.add_run("Soil2", takes_s=600, created_at=datetime.now(UTC) - timedelta(minutes=5))
    document = parsed(page.client.get("/runs?search=soil&status=RUNNING"))
    assert [words(each) for each in document.select("tbody th a")] == ["Soil2"]
    assert not document.select("[hx-get]")
    assert document.select_one(".aside-note a")["href"] == "/runs?search=soil&status=RUNNING"


def test_fields_that_were_left_empty_are_not_in_the_address(page, failed):
    answer = page.client.get("/runs?search=&status=&workflow=&owner=&day=")
    assert (answer.status_code, answer.location) == (303, "/runs")
    assert page.client.get("/runs?search=&status=FAILED").location == "/runs?status=FAILED"
    answer = page.client.get(f"/runs/{failed.run_id}?state=&task_status=FAILED")
    assert answer.location == f"/runs/{failed.run_id}?task_status=FAILED"
    document = parsed(page.client.get("/runs", follow_redirects=True))
    assert "Show all" not in words(document.select_one(".filters"))


def test_an_owner_is_shown_short_and_leads_to_all_runs_of_that_owner(page, failed):
    arn = "arn:aws:sts::123456789012:assumed-role/Scientist/lin.wei"
    page.double.add_run("Soil9", owner=arn)
    [link] = [each for each in parsed(page.client.get("/runs")).select("td.owner a") if words(each) == "lin.wei"]
    assert link["title"] == arn
    assert [words(each) for each in parsed(page.client.get(link["href"])).select("tbody th a")] == ["Soil9"]


def test_every_status_that_tasks_can_be_filtered_by_is_one_of_the_api(page, failed):
    document = parsed(page.client.get(f"/runs/{failed.run_id}"))
    for option in document.select("#task_status option"):
        chosen = f"/runs/{failed.run_id}?task_status={option['value']}"
        assert page.client.get(chosen, follow_redirects=True).status_code == 200
    for option in parsed(page.client.get("/runs")).select("#status option"):
        assert page.client.get(f"/runs?status={option['value']}", follow_redirects=True).status_code == 200


def test_tasks_are_paged(page):
    run = page.double.add_run("Wide", shards=60)
    document = parsed(page.client.get(f"/runs/{run.run_id}?state=String_Repeat"))
    assert len(document.select(".tasks-table tbody tr")) == 50
    document = parsed(page.client.get(document.select_one("a[rel=next]")["href"].partition("#")[0]))
    assert [words(each) for each in document.select(".tasks-table tbody th")][-1] == "String_Repeat-59"


def test_without_sign_in_the_page_says_that_all_share_one_owner(page):
    assert "shares one owner" in words(parsed(page.client.get("/runs")).footer)
    assert "共用一个所有者" in words(parsed(page.client.get("/runs", headers=CHINESE)).footer)


def test_the_switch_of_the_language_stays_and_keeps_the_address(page):
    answer = page.client.get("/runs?status=FAILED&language=zh-Hans")
    assert (answer.status_code, answer.location) == (303, "/runs?status=FAILED")
    assert parsed(page.client.get("/runs")).html["lang"] == "zh-Hans"
    assert page.client.get("/runs?language=xx").status_code == 200


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("zh-CN", "zh-Hans"),
        ("zh-Hans-SG;q=0.9, en;q=0.8", "zh-Hans"),
        ("fr, zh;q=0.2", "zh-Hans"),
        ("en-GB, zh;q=0.9", "en"),
        ("fr", "en"),
        ("", "en"),
        ("\x01;;;=q", "en"),
    ],
)
def test_the_language_is_the_browsers(page, accepted, language):
    answer = page.client.get("/runs", headers={"Accept-Language": accepted})
    assert (parsed(answer).html["lang"], answer.headers["Content-Language"]) == (language, language)
    assert {"Accept-Language", "Cookie"} <= set(answer.vary.as_set(preserve_casing=True))


def test_every_text_has_a_translation_and_no_translation_is_stale(page):
    import ast

    folder = WEB_APPLICATION / "web_application"
    found = set()
    for template in folder.glob("templates/*.html"):
        for _line, _function, message in page.client.application.jinja_env.extract_translations(template.read_text()):
            found.add(message[0] if isinstance(message, tuple) else message)
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
                found.add(ast.literal_eval(node.args[0]))
    catalog = json.loads((folder / "translations" / "zh-Hans.json").read_text())
    assert found - catalog.keys() == set()
    assert catalog.keys() - found == set()
    for text, translated in catalog.items():
        assert sorted(placeholders(text)) == sorted(placeholders(translated)), text


def placeholders(text):
    return re.findall(r"%\(\w+\)s", text)


def test_the_workflow_is_translated_and_no_translation_is_stale(page):
    workflow = page.double.workflow
    rules = workflow["parameters"]["properties"].values()
    texts = {workflow["title"], workflow["description"]}
    texts |= {rule[name] for rule in rules for name in ("title", "description", "allowed", "unit") if name in rule}
    texts |= {each["title"] for each in [*workflow["outputs"], *workflow["steps"]]}
    file = WEB_APPLICATION / "web_application" / "translations" / "workflows.zh-Hans.json"
    assert json.loads(file.read_text()).keys() == texts


def test_an_untranslated_text_of_a_workflow_is_marked_as_english(page):
    page.double.workflow["title"] = "Brand new"
    heading = parsed(page.client.get("/workflows/string_processing", headers=CHINESE)).h1
    assert (words(heading), heading.span["lang"]) == ("Brand new", "en")


def test_the_estimate_alone_is_a_part_of_the_page(page):
    form = page.of_object()
    document = fragment(page.client.post("/workflows/string_processing/estimate", data=form))
    shown = {words(each.dt): words(each.dd) for each in document.select("#estimate dl > div")}
    assert shown["Cost"] == "$0.0021 – $0.0095"
    incomplete = page.client.post("/workflows/string_processing/estimate", data=form | {"ProjectNo": ""})
    assert (incomplete.status_code, len(fragment(incomplete).select("#estimate dl"))) == (200, 0)
    assert not page.double.runs


def costs(page, run):
    document = parsed(page.client.get(f"/runs/{run.run_id}"))
    section = document.select_one("section[aria-labelledby=cost-title]")
    return section, {words(each.dt): words(each.dd) for each in section.select("dl > div")}


def test_a_run_shows_its_cost_beside_the_estimate(page):
    section, shown = costs(page, page.double.add_run("Soil1"))
    assert words(section.h2) == "Cost"
    assert shown == {
        "In all": "$0.0040",
        "Instances on demand": "$0.0040",
        "Spot instances": "unknown",
        "Estimate before": "$0.0021 – $0.0095 (within it)",
    }
    assert words(section.select_one("li")) == "2 attempts on Spot: the price is <not> known"
    assert "List prices of 2026-01-31 in eu-central-1." in words(section)


def test_a_run_that_has_only_begun_has_no_cost_yet(page):
    section, shown = costs(page, page.double.add_run("Soil1", takes_s=1e9))
    assert (words(section.h2), shown) == ("Cost so far", {})
    assert "Nothing that has a price ran yet." in words(section)


def test_the_cost_of_a_run_that_goes_on_is_counted_once_in_half_a_minute(page, monkeypatch):
    now = 1000.0
    monkeypatch.setattr("web_application.recent.time", SimpleNamespace(monotonic=lambda: now))
    run = page.double.add_run("Soil1", takes_s=600, created_at=datetime.now(UTC) - timedelta(minutes=5))

    def times_counted():
        return sum(path.endswith("/cost") for _, path, _ in page.double.calls)

    for _look in range(3):
        assert costs(page, run)[1]["In all"] == "$0.0020"
    assert times_counted() == 1
    now += 31
    costs(page, run)
    assert times_counted() == 2
    # When it is over, its last word is not one of half a minute ago.
    run.takes_s = 0.0
    section, shown = costs(page, run)
    assert (words(section.h2), shown["In all"]) == ("Cost", "$0.0040")


@pytest.mark.parametrize("status", [422, 500, 503])
def test_a_cost_that_cannot_be_told_keeps_nobody_from_the_run(page, monkeypatch, status):
    def refuse(_request):
        raise PROBLEM(status, "no")

    monkeypatch.setattr(page.double, "get_cost", refuse)
    run = page.double.add_run("Soil1")
    answer = page.client.get(f"/runs/{run.run_id}")
    assert answer.status_code == 200
    assert parsed(answer).select_one("section[aria-labelledby=cost-title]") is None


@pytest.mark.parametrize(("value", "text"), [(0.0, "within it"), (0.5, "50% above it"), (-0.25, "25% below it")])
def test_how_far_a_cost_is_off(page, value, text):
    from web_application.estimates import error

    with page.client.application.test_request_context():
        assert error(value) == text
