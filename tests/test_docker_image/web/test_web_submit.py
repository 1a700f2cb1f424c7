"""Starting a run through the form: the file, the estimate, one run for a double click, what is typed stays."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.test_docker_image.web.conftest import CHINESE, Page, parsed, words
from tests.test_docker_image.web.s3_double import MOST_BYTES

LINES = b"first\nsecond\n" * 150


def with_file(form, body=LINES, name="lines.txt"):
    return form | {"source": "file", "file": (io.BytesIO(body), name)}


def test_a_file_goes_to_s3_and_the_run_starts(page):
    answer = page.send(with_file(page.form()))
    [run] = page.double.runs.values()
    assert (answer.status_code, answer.location) == (303, f"/runs/{run.run_id}")
    assert page.double.s3.objects[run.parameters["INPUT_KEY"]] == LINES
    assert (run.shards, run.parameters["SPLIT_NUM"]) == (3, 100)
    shown = parsed(page.client.get(answer.location))
    assert words(shown.select_one(".notice")) == "The run was submitted."


def test_an_object_in_s3_is_taken_without_an_upload(page):
    assert page.send(page.of_object()).status_code == 303
    assert not page.double.s3.objects
    [run] = page.double.runs.values()
    assert run.parameters["INPUT_KEY"] == "uploads/Soil1/a.txt"


def test_check_shows_the_estimate_keeps_the_file_and_starts_nothing(page):
    answer = page.send(with_file(page.form(action="check")))
    document = parsed(answer)
    assert answer.status_code == 200
    shown = {words(each.dt): words(each.dd) for each in document.select("#estimate dl > div")}
    assert shown == {"Cost": "$0.0021 – $0.0095", "Based on": "what its jobs may use at most"}
    assert words(document.select_one(".done")) == "lines.txt is uploaded."
    assert not page.double.runs
    form = {each["name"]: each.get("value", "") for each in document.select("input:not([type=radio],[type=checkbox])")}
    form |= {each["name"]: each["value"] for each in document.select("input[type=radio][checked]")}
    assert form["source"] == "object"
    form.pop("file")
    assert page.send(form | {"action": "start"}).status_code == 303
    assert [run.shards for run in page.double.runs.values()] == [3]


def clicked(page, make_form):
    """Where sixteen clicks at once on one open form lead to."""
    cookie = page.client.get_cookie("page").value

    def click(_number):
        client = page.client.application.test_client()
        client.set_cookie("page", cookie)
        return Page(client, page.double).send(make_form()).location

    with ThreadPoolExecutor(8) as threads:
        return set(threads.map(click, range(16)))


def test_a_double_click_is_one_run(page):
    form = page.of_object()
    places = clicked(page, lambda: form)
    assert places == {f"/runs/{run_id}" for run_id in page.double.runs}
    assert len(places) == 1


def test_a_double_click_with_a_file_that_was_not_checked_is_one_upload_and_one_run(page):
    form = page.form()
    places = clicked(page, lambda: with_file(form))
    assert places == {f"/runs/{run_id}" for run_id in page.double.runs}
    assert (len(places), len(page.double.s3.objects)) == (1, 1)


@pytest.mark.parametrize(
    "change", [{"body": LINES + b"more\n"}, {"name": "other.txt"}], ids=["other content", "other name"]
)
def test_another_file_in_the_same_form_is_another_upload(page, change):
    form = page.form(action="check")
    page.send(with_file(form))
    page.send(with_file(form, **change))
    assert len(page.double.s3.objects) == 2


def test_the_same_file_in_another_form_is_another_upload(page):
    page.send(with_file(page.form(action="check")))
    page.send(with_file(page.form(action="check")))
    assert len(page.double.s3.objects) == 2


def test_going_back_and_changing_a_value_is_another_run(page):
    form = page.of_object()
    page.send(form)
    page.send(form | {"ProjectNo": "Soil2"})
    assert sorted(run.parameters["ProjectNo"] for run in page.double.runs.values()) == ["Soil1", "Soil2"]


def test_run_again_has_the_same_values(page):
    page.send(page.of_object(SPLIT_NUM="77", architecture="x86", OUTPUT_BUCKET="production-abc-data"))
    [run] = page.double.runs.values()
    document = parsed(page.client.get(f"/workflows/string_processing?again={run.run_id}"))
    form = {each["name"]: each["value"] for each in document.select("input[value]:not([type=radio],[type=checkbox])")}
    form |= {each["name"]: each["value"] for each in document.select("input[type=radio][checked]")}
    assert {name: form[name] for name in run.parameters} == {k: str(v) for k, v in run.parameters.items()}
    assert form["source"] == "object"


LONG = "x" * 5000
WRONG = [
    ("ProjectNo", ""),
    ("ProjectNo", LONG),
    ("ProjectNo", "<script>alert(1)</script>"),
    ("ProjectNo", "a; rm -rf / $(id) `id` | cat"),
    ("ProjectNo", "../../etc/passwd"),
    ("ProjectNo", "土壤"),
    ("ProjectNo", '" onfocus="alert(1)'),
    ("ProjectNo", "{{ 7 * 7 }} %(name)s {% raw %}"),
    ("SPLIT_NUM", ""),
    ("SPLIT_NUM", "ten"),
    ("SPLIT_NUM", "1.5"),
    ("SPLIT_NUM", "-1"),
    ("SPLIT_NUM", "9" * 5000),
    ("SPLIT_NUM", "١٢"),
    ("SPLIT_NUM", "0x10"),
    ("INPUT_BUCKET", ""),
    ("INPUT_BUCKET", "another-bucket"),
    ("INPUT_BUCKET", "Not A Bucket"),
    ("INPUT_KEY", ""),
    ("INPUT_KEY", "result/Other/String_Split/x"),
    ("INPUT_KEY", "uploads//x"),
    ("INPUT_KEY", "uploads/a\x00b"),
    ("INPUT_KEY", "uploads/" + LONG),
    ("OUTPUT_BUCKET", "<img src=x onerror=alert(1)>"),
    ("architecture", "z80"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_refused_beside_its_field_and_everything_typed_stays(page, name, value):
    form = page.of_object(OUTPUT_BUCKET="production-abc-data")
    typed = form | {name: value}
    answer = page.send(typed)
    # A NUL is no character of HTML, so that page cannot be parsed strictly; the browser shows a sign for it.
    document = parsed(answer) if "\x00" not in value else None
    assert answer.status_code == 422
    assert not page.double.runs
    if document is None:
        return
    assert document.find(id=f"{name}-error"), document.select_one(".problems")
    assert document.select_one(f".problems a[href='#{name}']")
    assert document.find(id=name)
    if name != "architecture":
        assert document.find(id=name)["aria-invalid"] == "true"
    assert document.title.text.startswith("Error: ")
    for each in ("ProjectNo", "SPLIT_NUM", "INPUT_BUCKET", "INPUT_KEY", "OUTPUT_BUCKET"):
        assert document.find("input", attrs={"name": each})["value"] == typed[each]
    assert document.find("input", attrs={"name": "submission"})["value"] == form["submission"]
    assert not document.select("main script, main img, [onfocus], [onerror]")


def test_all_wrong_fields_are_named_at_once_and_nothing_is_uploaded(page):
    document = parsed(page.send(with_file(page.form(ProjectNo="<b>", SPLIT_NUM="ten"))))
    assert [words(each) for each in document.select(".problems a")] == ["Project", "Lines per shard"]
    assert not page.double.s3.objects


def test_the_chinese_page_says_what_is_allowed_in_chinese(page):
    document = parsed(page.send(page.of_object(SPLIT_NUM="ten"), headers=CHINESE))
    error = document.find(id="SPLIT_NUM-error")
    assert "1 至 1000000000 的整数" in words(error)
    assert error.select_one("[lang=en]").text.startswith("found 'ten'")


@pytest.mark.parametrize(
    ("body", "name", "said"),
    [
        (b"", "lines.txt", "lines.txt is empty."),
        (b"x\n", "", "Choose a file"),
        (b"x" * (MOST_BYTES + 1), "large.txt", "1,000,001 bytes; 1,000,000 are possible"),
        (b"x\n", "a\x7fb.txt", "expected a file's name"),
    ],
)
def test_a_wrong_file_is_refused_beside_it(page, body, name, said):
    answer = page.send(with_file(page.form(), body, name))
    assert answer.status_code == 422
    assert said in words(parsed(answer).find(id="file-error"))
    assert not page.double.runs


@pytest.mark.parametrize(
    ("headers", "said"), [({}, "S3 did not take lines.txt (AccessDenied)."), (CHINESE, "S3 没有接收 lines.txt")]
)
def test_a_file_that_s3_refuses_is_said_in_a_sentence_and_s3s_words_are_in_the_log(page, caplog, headers, said):
    page.double.s3.refuses_posts = True
    answer = page.send(with_file(page.form()), headers=headers)
    assert answer.status_code == 422
    error = words(parsed(answer).find(id="file-error"))
    assert said in error
    assert "<" not in error
    [logged] = [record.getMessage() for record in caplog.records if "Policy expired" in record.getMessage()]
    assert logged.isprintable()
    assert not page.double.runs


@pytest.mark.parametrize("name", ["../../../result/Other/x.txt", "..", "a/b.txt"])
def test_a_file_name_with_a_path_is_refused_and_nothing_is_uploaded(page, name):
    answer = page.send(with_file(page.form(), name=name))
    assert answer.status_code == 422
    assert "expected a file's name" in words(parsed(answer).find(id="file-error"))
    assert not page.double.s3.objects


def test_a_file_lies_in_a_folder_of_its_own_in_its_project(page):
    page.send(with_file(page.form(), name="my lines (1).txt"))
    [key] = page.double.s3.objects
    assert re.fullmatch(r"uploads/Soil1/[0-9a-f]{12}/my lines \(1\)\.txt", key)


def test_a_busy_project_is_said_above_the_form(page):
    page.send(page.of_object())
    answer = page.send(page.of_object())
    assert answer.status_code == 409
    assert "another run of project Soil1 goes on" in words(parsed(answer).select_one(".problems"))


def test_made_up_fields_do_nothing(page):
    answer = page.send(page.of_object(submission="x" * 500, source="elsewhere", overwrite="maybe", extra="1"))
    assert answer.status_code == 422  # `elsewhere` is not `object`, so a file is missing
    answer = page.send(page.of_object(submission="../..", overwrite="maybe", extra="1"))
    assert answer.status_code == 303
    [run] = page.double.runs.values()
    assert "extra" not in run.parameters
