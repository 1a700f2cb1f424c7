"""The API's function, as far as it needs no AWS: checks of requests, owners, problems."""

import base64
import json
from types import SimpleNamespace

import pytest

from hpc.errors import (
    Conflict,
    HpcError,
    NotFound,
    NotSucceeded,
    PlatformUnreachable,
    Refusal,
    WrongInput,
    WrongParameters,
)
from hpc.run import Run
from tests.test_lambda.api_calls import ALICE, event, refusal

WEB_ROLE = "arn:aws:iam::123456789012:role/web/WebTask"
WEB_SESSION = "arn:aws:sts::123456789012:assumed-role/WebTask/0123456789abcdef"
OPERATORS = "arn:aws:iam::123456789012:role/Operators"
OPERATOR = "arn:aws:sts::123456789012:assumed-role/Operators/carol"


NEW_RUN = {"workflow": "w", "parameters": {}}


class TestRequests:
    """What is taken from an event, and what is refused before anything is done."""

    def test_numbers_flags_and_defaults(self, function):
        request = function.request.parse(event(query={"limit": "7", "status": "FAILED"}))
        assert request.query == {"limit": 7, "status": "FAILED"}
        assert function.request.parse(event()).query == {"limit": 50}
        posted = function.request.parse(event("POST", body=NEW_RUN, query={"dry_run": "true"}))
        assert (posted.query, posted.body) == ({"dry_run": True}, {**NEW_RUN, "overwrite": False})

    def test_headers_are_found_however_they_are_written(self, function):
        request = function.request.parse(
            event("POST", body=NEW_RUN, headers={"idempotency-key": "a", "x-hpc-OWNER": "b"})
        )
        assert (request.headers, request.owner_header) == ({"Idempotency-Key": "a"}, "b")

    def test_a_body_may_come_in_base64(self, function):
        encoded = base64.b64encode(json.dumps(NEW_RUN).encode()).decode()
        assert function.request.parse(event("POST", body=encoded, is_base64=True)).body["workflow"] == "w"

    @pytest.mark.parametrize(
        ("query", "fields"),
        [
            ({"limit": "0"}, ["limit"]),
            ({"limit": "101"}, ["limit"]),
            ({"limit": "9" * 400}, ["limit"]),
            ({"limit": "٣"}, ["limit"]),
            ({"day": "2026-1-1"}, ["day"]),
            ({"status": "succeeded", "sort": "x"}, ["sort", "status"]),
            ({"next": "a" * 2001}, ["next"]),
            ({"next": "a+b"}, ["next"]),
            ({"owner": "o" * 2049}, ["owner"]),
            ({"owner": "Zoë"}, ["owner"]),
        ],
    )
    def test_queries_that_are_not_allowed(self, function, query, fields):
        assert refusal(function, event(query=query)) == (400, fields)

    @pytest.mark.parametrize("token", ["", "-1", "WyJh", "0" * 8])
    def test_a_page_of_tasks_begins_at_a_number(self, function, token):
        given = event(resource="/runs/{run_id}/tasks", path={"run_id": "R1"}, query={"next": token})
        assert refusal(function, given) == (400, ["next"])

    @pytest.mark.parametrize(
        ("body", "status", "fields"),
        [
            (None, 400, []),
            ("[" * 50_000, 400, []),
            ('{"workflow": "w", "parameters": {"a": Infinity}}', 400, []),
            ('"text"', 400, []),
            ('{"workflow": "\\ud800", "parameters": {}}', 400, []),
            ('{"workflow": "w", "parameters": {"\\udfff": 1}}', 400, []),
            ('{"workflow": "w", "parameters": {"a": [1e999]}}', 400, []),
            ("\ud800", 400, []),
            ("x" * 65_537, 413, []),
            ({}, 422, ["workflow", "parameters"]),
            ({"workflow": "", "parameters": {}}, 422, ["workflow"]),
            ({"workflow": "w" * 81, "parameters": []}, 422, ["workflow", "parameters"]),
            ({**NEW_RUN, "overwrite": 1}, 422, ["overwrite"]),
        ],
    )
    def test_bodies_that_are_not_allowed(self, function, body, status, fields):
        assert refusal(function, event("POST", body=body)) == (status, fields)

    @pytest.mark.parametrize("run_id", ["", "../x", "a b", "a" * 81, "-a", "a\n"])
    def test_a_run_that_cannot_be_is_not_found(self, function, run_id):
        assert refusal(function, event(resource="/runs/{run_id}", path={"run_id": run_id})) == (404, ["run_id"])

    @pytest.mark.parametrize("task", ["String_Split", "String_Split-", "String_Split--1", "a/b-1", "S-12345678"])
    def test_a_task_that_cannot_be_is_not_found(self, function, task):
        path = {"run_id": "R1", "task": task}
        assert refusal(function, event(resource="/runs/{run_id}/tasks/{task}/log", path=path)) == (404, ["task"])

    def test_what_is_told_of_a_value_is_short(self, function):
        with pytest.raises(function.problems.Problem) as problem:
            function.request.parse(event("POST", body={"workflow": ["x" * 5000], "parameters": {}, "k" * 5000: 1}))
        assert len(json.dumps(problem.value.as_json())) < 2000


class TestOwners:
    """Who is believed, and who may decide over a run."""

    @pytest.mark.parametrize(
        ("caller", "header", "owner"),
        [
            (ALICE, None, ALICE),
            (ALICE, "bob", ALICE),
            (WEB_SESSION, "bob@example.org", "bob@example.org"),
            (WEB_SESSION, None, "shared"),
            (OPERATOR, "bob", OPERATOR),
            (WEB_SESSION.replace("123456789012", "999999999999"), "bob", None),
            ("arn:aws:sts::123456789012:assumed-role/WebTask2/x", "bob", None),
            ("arn:aws:iam::123456789012:user/WebTask", "bob", None),
            ("arn:aws-cn:sts::123456789012:assumed-role/WebTask/x", "bob", None),
        ],
    )
    def test_only_a_trusted_role_names_another_owner(self, function, caller, header, owner):
        assert function.owners.owner_of(caller, header, trusted_roles=[WEB_ROLE]) == (owner or caller)

    @pytest.mark.parametrize("header", ["", "a b", "ü", "a" * 257, "a\x00"])
    def test_an_owner_that_cannot_be_is_refused(self, function, header):
        with pytest.raises(function.problems.Problem) as problem:
            function.owners.owner_of(WEB_SESSION, header, trusted_roles=[WEB_ROLE])
        assert (problem.value.status, problem.value.errors[0].field) == (400, "X-Hpc-Owner")

    @pytest.mark.parametrize(
        ("run_owner", "owner", "caller", "may"),
        [
            (ALICE, ALICE, ALICE, True),
            (ALICE, OPERATOR, OPERATOR, True),
            (ALICE, "boss@example.org", WEB_SESSION, True),
            (ALICE, "bob", WEB_SESSION, False),
            ("shared", "shared", WEB_SESSION, True),
            ("", ALICE, ALICE, False),
            ("", OPERATOR, OPERATOR, True),
        ],
    )
    def test_a_run_is_its_owner_s_and_the_admins(self, function, run_owner, owner, caller, may):
        run = Run(run_id="R1", workflow="w", project="P", status="FAILED", created_at="", owner=run_owner)
        admins = [OPERATORS, "boss@example.org"]
        if may:
            function.owners.check_owner(run, owner=owner, caller=caller, admins=admins)
            return
        with pytest.raises(function.problems.Problem) as problem:
            function.owners.check_owner(run, owner=owner, caller=caller, admins=admins)
        assert problem.value.status == 403

    def test_people_on_a_page_are_not_admins_because_the_page_s_role_is_one(self, function):
        run = Run(run_id="R1", workflow="w", project="P", status="FAILED", created_at="", owner=ALICE)
        with pytest.raises(function.problems.Problem):
            function.owners.check_owner(run, owner="bob", caller=WEB_SESSION, admins=[WEB_ROLE])


@pytest.mark.parametrize(
    ("error", "status", "fields"),
    [
        (NotFound("x"), 404, []),
        (Conflict("x"), 409, []),
        (NotSucceeded("x"), 409, []),
        (WrongInput("x"), 422, []),
        (WrongInput("x", field="INPUT_KEY"), 422, ["INPUT_KEY"]),
        (WrongParameters([Refusal("A", "found 1; expected 2", "--a (A)"), Refusal("B", "no")]), 422, ["A", "B"]),
        (PlatformUnreachable("x"), 503, []),
        (HpcError("x"), 500, []),
    ],
)
def test_the_errors_of_the_command_line_in_http(function, error, status, fields):
    problem = function.problems.of_error(error).as_json()
    assert (problem["status"], [each["field"] for each in problem["errors"]]) == (status, fields)
    assert set(problem) == {"type", "title", "status", "detail", "errors"}


def test_a_fault_is_told_without_its_reason_which_the_log_has(function, caplog):
    def broken():
        raise ValueError("a secret")

    context = SimpleNamespace(aws_request_id="R-1")
    answer = function.api.answer(broken, event(), context).as_proxy_response()
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (500, "application/problem+json")
    assert "secret" not in answer["body"]
    assert "R-1" in answer["body"]
    assert "a secret" in caplog.text


def test_answers_are_neither_kept_nor_guessed_at(function):
    headers = function.answer.Answer(200, {}).as_proxy_response()["headers"]
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"]) == ("no-store", "nosniff")
