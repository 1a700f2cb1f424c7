"""What the API refuses: bad parameters, bodies, calls and uploads, each with the field that is wrong."""

from __future__ import annotations

import pytest
import urllib3

from tests.test_e2e.api_client import send_form

BAD_PARAMETERS = [
    ({"ProjectNo": ""}, "ProjectNo"),
    ({"ProjectNo": None}, "ProjectNo"),
    ({"ProjectNo": "P" * 65}, "ProjectNo"),
    ({"ProjectNo": 7}, "ProjectNo"),
    ({"ProjectNo": "../../etc"}, "ProjectNo"),
    ({"ProjectNo": "<script>alert(1)</script>"}, "ProjectNo"),
    ({"ProjectNo": "P1; rm -rf /"}, "ProjectNo"),
    ({"ProjectNo": "$(reboot)"}, "ProjectNo"),
    ({"INPUT_BUCKET": ""}, "INPUT_BUCKET"),
    ({"INPUT_BUCKET": "B" * 64}, "INPUT_BUCKET"),
    ({"INPUT_BUCKET": ["a"]}, "INPUT_BUCKET"),
    ({"INPUT_BUCKET": "somebody-elses-bucket"}, "INPUT_BUCKET"),
    ({"INPUT_KEY": ""}, "INPUT_KEY"),
    ({"INPUT_KEY": "uploads/" + "k" * 800}, "INPUT_KEY"),
    ({"INPUT_KEY": {"a": 1}}, "INPUT_KEY"),
    ({"INPUT_KEY": "uploads/none.txt"}, "INPUT_KEY"),
    ({"INPUT_KEY": "uploads/../result/x"}, "INPUT_KEY"),
    ({"INPUT_KEY": "result/P1/String_Split/x"}, "INPUT_KEY"),
    ({"INPUT_KEY": "uploads/a\nb"}, "INPUT_KEY"),
    ({"OUTPUT_BUCKET": ""}, "OUTPUT_BUCKET"),
    ({"OUTPUT_BUCKET": "x" * 64}, "OUTPUT_BUCKET"),
    ({"OUTPUT_BUCKET": 1.5}, "OUTPUT_BUCKET"),
    ({"OUTPUT_BUCKET": "somebody-elses-bucket"}, "OUTPUT_BUCKET"),
    ({"SPLIT_NUM": ""}, "SPLIT_NUM"),
    ({"SPLIT_NUM": None}, "SPLIT_NUM"),
    ({"SPLIT_NUM": "10"}, "SPLIT_NUM"),
    ({"SPLIT_NUM": 0}, "SPLIT_NUM"),
    ({"SPLIT_NUM": 10**10}, "SPLIT_NUM"),
    ({"SPLIT_NUM": True}, "SPLIT_NUM"),
    ({"architecture": "sparc"}, "architecture"),
    ({"<b>x</b>": "y"}, "<b>x</b>"),
]


@pytest.mark.parametrize(("changes", "field"), BAD_PARAMETERS, ids=lambda value: str(value)[:40])
def test_a_parameter_that_is_not_allowed_is_named_and_nothing_starts(api, parameters, changes, field):
    answer = api.submit(parameters | changes)
    assert (answer.status, answer.fields) == (422, [field]), answer
    runs = api.get("/runs?limit=100").document["runs"]
    assert not [run for run in runs if run["project"] == parameters["ProjectNo"]]


@pytest.mark.parametrize(
    ("body", "status", "fields"),
    [
        (b"", 400, []),
        (b"{", 400, []),
        (b"[1]", 400, []),
        (b'{"workflow": "string_processing", "parameters": {"SPLIT_NUM": NaN}}', 400, []),
        (b'{"workflow": "string_processing", "parameters": {"ProjectNo": "\\ud800"}}', 400, []),
        ({}, 422, ["workflow", "parameters"]),
        ({"workflow": 1, "parameters": "x", "more": 2}, 422, ["more", "workflow", "parameters"]),
        ({"workflow": "string_processing", "parameters": {}, "overwrite": "yes"}, 422, ["overwrite"]),
        ({"workflow": "nothing", "parameters": {}}, 404, ["workflow"]),
        ({"workflow": "../string_processing", "parameters": {}}, 404, ["workflow"]),
        (b'{"workflow": "' + b"x" * 10 * 2**20 + b'", "parameters": {}}', 413, []),
    ],
    ids=["empty", "broken", "list", "nan", "surrogate", "bare", "types", "flag", "unknown", "traversal", "10 MB"],
)
def test_a_body_that_is_not_allowed(api, body, status, fields):
    answer = api.post("/runs", body, Idempotency_Key="k")
    assert (answer.status, answer.fields) == (status, fields), answer


@pytest.mark.parametrize(
    ("call", "status", "fields"),
    [
        ("GET /runs?limit=0", 400, ["limit"]),
        ("GET /runs?limit=ten", 400, ["limit"]),
        ("GET /runs?status=DONE", 400, ["status"]),
        ("GET /runs?day=today", 400, ["day"]),
        ("GET /runs?next=AAAA", 400, ["next"]),
        ("GET /runs?sort=name", 400, ["sort"]),
        ("GET /runs/20260101-000000-abcdef", 404, []),
        ("GET /runs/a%20b", 404, ["run_id"]),
        ("GET /runs/..%2F..%2Fetc", 403, []),
        ("GET /runs/20260101-000000-abcdef/results", 404, []),
        ("POST /runs/20260101-000000-abcdef/cancel", 404, []),
        ("POST /runs/20260101-000000-abcdef/resume", 404, []),
        ("GET /nothing", 403, []),
        ("DELETE /runs", 403, []),
    ],
)
def test_a_call_that_is_not_allowed(api, call, status, fields):
    method, _, path = call.partition(" ")
    answer = api.call(method, path)
    assert (answer.status, answer.fields) == (status, fields), answer


def test_a_run_wants_a_key_of_its_submission(api, parameters):
    body = {"workflow": "string_processing", "parameters": parameters}
    for headers in ({}, {"Idempotency_Key": "k" * 129}, {"Idempotency_Key": "a b"}, {"Idempotency_Key": "../x"}):
        answer = api.post("/runs", body, **headers)
        assert (answer.status, answer.fields) == (400, ["Idempotency-Key"]), answer


class TestUploads:
    """Only what was asked for can be uploaded, and only there."""

    @pytest.fixture
    def form(self, api):
        body = {"workflow": "string_processing", "project": "Forms", "file_name": "lines.txt"}
        return api.post("/uploads", body).document

    def test_a_repeated_request_with_its_key_gets_the_same_place(self, api):
        body = {"workflow": "string_processing", "project": "Forms", "file_name": "lines.txt"}
        keys = [api.post("/uploads", body, Idempotency_Key=key).document["key"] for key in ("a", "a", "b")]
        assert (keys[0] == keys[1], keys[1] == keys[2]) == (True, False)

    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({"key": "uploads/Forms/other.txt"}, 403),
            ({"key": "result/Forms/x"}, 403),
            ({"x-amz-signature": "0" * 64}, 403),
            ({"acl": "public-read"}, 403),
        ],
    )
    def test_a_form_cannot_be_changed(self, platform, form, changes, status):
        assert send_form(form, "lines.txt", b"x", **changes).status == status
        assert platform.client("s3").list_objects_v2(Bucket=form["bucket"], Prefix="uploads/Forms/")["KeyCount"] == 0

    def test_a_form_that_nobody_signed_is_refused(self, form):
        bare = {"key": form["fields"]["key"], "file": ("lines.txt", b"x")}
        assert urllib3.request("POST", form["url"], fields=bare).status == 403

    def test_what_is_larger_than_was_promised_is_refused(self, form):
        answer = send_form(form, "lines.txt", b"x" * (form["max_bytes"] + 1))
        assert (answer.status, b"EntityTooLarge" in answer.data) == (400, True)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"file_name": ""}, "file_name"),
            ({"file_name": "../x"}, "file_name"),
            ({"file_name": ".."}, "file_name"),
            ({"file_name": "a\\b"}, "file_name"),
            ({"file_name": "a" * 201}, "file_name"),
            ({"file_name": "土" * 100}, "file_name"),
            ({"file_name": 1}, "file_name"),
            ({"file_name": "a${filename}"}, "file_name"),
            ({"project": ""}, "project"),
            ({"project": "a/b"}, "project"),
            ({"project": "<b>"}, "project"),
        ],
    )
    def test_what_could_not_be_an_input_is_refused(self, api, changes, field):
        body = {"workflow": "string_processing", "project": "Forms", "file_name": "lines.txt"} | changes
        answer = api.post("/uploads", body)
        assert (answer.status, answer.fields) == (422, [field]), answer
