"""The deployed API, called over HTTP: real signatures, real roles, real runs."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
import urllib3
from botocore.credentials import Credentials

from tests.test_e2e.api_client import Api
from tests.test_e2e.conftest import FINAL, Platform, wait_until
from tests.test_e2e.expected import repeated, reversed_by_characters

_NUMBERS = itertools.count(1)
FILE = "lines & 土%20+.txt"
TEXT = b"".join(b"line %d\n" % number for number in range(40))


@pytest.fixture(scope="session")
def api(platform) -> Api:
    return Api(platform)


@pytest.fixture(scope="session")
def uploaded(api) -> dict[str, str]:
    """A file of 40 lines, uploaded as a page does it: bucket and key. Its name is none that needs no encoding."""
    return upload(api, "Uploads", FILE, TEXT)


@pytest.fixture
def project() -> str:
    return f"Api{next(_NUMBERS)}"


@pytest.fixture
def parameters(uploaded, project) -> dict[str, object]:
    return {"ProjectNo": project, "INPUT_BUCKET": uploaded["bucket"], "INPUT_KEY": uploaded["key"], "SPLIT_NUM": 20}


def upload(api: Api, project: str, file_name: str, content: bytes) -> dict[str, str]:
    made = api.post("/uploads", {"workflow": "string_processing", "project": project, "file_name": file_name})
    assert made.status == 201, made
    stored = send_form(made.document, content)
    assert stored.status == 204, stored.data
    return {"bucket": made.document["bucket"], "key": made.document["key"]}


def send_form(form, content: bytes, **changes: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("POST", form["url"], fields={**form["fields"], **changes, "file": (FILE, content)})


def submit(api: Api, parameters, *, key: str | None = None, **headers: str):
    body = {"workflow": "string_processing", "parameters": parameters}
    return api.post("/runs", body, Idempotency_Key=key or f"key-{time.time_ns()}", **headers)


def wait(api: Api, run_id: str, timeout_s: float = 120) -> dict:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        run = api.get(f"/runs/{run_id}").document
        if run["status"] in FINAL:
            return run
        time.sleep(0.5)
    raise AssertionError(f"run {run_id} is still {run}")


def caller(platform: Platform, name: str, *actions: str) -> Api:
    """A user of the account who may call the API (or do what is named), with a key of their own."""
    iam = platform.client("iam")
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": actions or ("execute-api:Invoke",), "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="Own", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Api(platform, Credentials(key["AccessKeyId"], key["SecretAccessKey"]))


def test_from_the_list_of_workflows_to_fetched_results(api, platform, project, parameters):
    # Given a workflow that describes its own form
    (workflow,) = api.get("/workflows").document["workflows"]
    assert workflow["name"] == "string_processing"
    assert workflow["upload"] == {
        "prefix": "uploads/",
        "bucket_parameter": "INPUT_BUCKET",
        "key_parameter": "INPUT_KEY",
    }
    assert workflow["parameters"]["required"] == ["ProjectNo", "INPUT_BUCKET", "INPUT_KEY", "SPLIT_NUM"]
    assert workflow["steps"][1] == {
        "state": "String_Repeat", "title": "Repeat lines", "fan_out": True, "after": ["String_Split"],
    }  # fmt: skip
    # When it is tried dry, nothing starts, and what a run would get is filled in
    body = {"workflow": "string_processing", "parameters": parameters}
    dry = api.post("/runs?dry_run=true", body)
    filled_in = {**parameters, "OUTPUT_BUCKET": parameters["INPUT_BUCKET"], "architecture": "graviton"}
    assert (dry.status, dry.document) == (200, {"parameters": filled_in, "estimate": None})
    # And when it is submitted, the run goes to its end
    submitted = submit(api, parameters)
    assert submitted.status == 201
    run_id = submitted.document["run_id"]
    assert submitted.document["owner"] == "arn:aws:iam::000000000000:user/owner"
    early = api.get(f"/runs/{run_id}/results")
    assert (early.status, early.fields) == (409, [])
    run = wait(api, run_id)
    assert run["status"] == "SUCCEEDED", run
    assert [(step["state"], step["succeeded"], step["total"]) for step in run["steps"]] == [
        ("String_Split", 1, 1), ("String_Repeat", 2, 2), ("String_Reverse", 2, 2),
        ("String_Repeat_Merge", 1, 1), ("String_Reverse_Merge", 1, 1),
    ]  # fmt: skip
    # Then the command line sees the same run
    seen = platform.show(run_id)
    assert {name: seen[name] for name in run if name != "steps"} == {n: run[n] for n in run if n != "steps"}
    # And its tasks come in pages, with their logs
    first = api.get(f"/runs/{run_id}/tasks?limit=4").document
    rest = api.get(f"/runs/{run_id}/tasks?limit=4&next={first['next']}").document
    assert ([t["state"] for t in first["tasks"]], len(rest["tasks"]), rest["next"]) == (
        ["String_Split", "String_Repeat", "String_Repeat", "String_Reverse"], 3, None,
    )  # fmt: skip
    only = api.get(f"/runs/{run_id}/tasks?state=String_Reverse&status=SUCCEEDED").document["tasks"]
    assert [(task["state"], task["index"], task["attempts"]) for task in only] == [
        ("String_Reverse", 0, 1), ("String_Reverse", 1, 1),
    ]  # fmt: skip
    log = api.get(f"/runs/{run_id}/tasks/String_Split-0/log").document
    assert (log["truncated"], bool(log["lines"])) == (False, True)
    assert set(log["lines"][0]) == {"time", "text"}
    # And its results can be fetched by their URLs, and by nobody who changes them
    results = api.get(f"/runs/{run_id}/results").document["results"]
    fetched = {result["name"]: urllib3.request("GET", result["url"]) for result in results}
    assert {name: answer.data for name, answer in fetched.items()} == {
        "repeat": repeated(TEXT), "reverse": reversed_by_characters(TEXT),
    }  # fmt: skip
    assert [result["bytes"] for result in results] == [len(answer.data) for answer in fetched.values()]
    assert fetched["repeat"].headers["Content-Disposition"].startswith("attachment; ")
    other_key = results[0]["url"].replace("Repeat_Merge/repeat", "Reverse_Merge/reverse")
    assert urllib3.request("GET", other_key).status == 403


def test_two_hundred_submissions_at_once_with_one_key_start_one_run(api, platform, parameters):
    # When one request is sent two hundred times at once, as often as it takes until none is throttled
    def send(_: int):
        while (answer := submit(api, parameters, key="the-same")).status == 429:
            time.sleep(1)
        return answer

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(send, range(200)))
    # Then one of them starts the run, and all the others are given it
    assert sorted(answer.status for answer in answers) == [200] * 199 + [201]
    (run_id,) = {answer.document["run_id"] for answer in answers}
    project = parameters["ProjectNo"]
    runs = api.get("/runs?limit=100").document["runs"]
    assert [run["run_id"] for run in runs if run["project"] == project] == [run_id]
    machine = platform.output("StateMachineArns")["string_processing"]
    executions = platform.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    assert [found["name"] for found in executions if found["name"].startswith(run_id)] == [f"{run_id}-1"]
    # And the key is not good for anything else
    other = submit(api, {**parameters, "SPLIT_NUM": 21}, key="the-same")
    assert (other.status, other.fields) == (422, ["Idempotency-Key"])
    assert wait(api, run_id)["status"] == "SUCCEEDED"


@pytest.mark.parametrize("path", ["/workflows", "/runs", "/openapi.json"])
def test_who_does_not_sign_or_signs_wrongly_is_refused(api, platform, path):
    wrong = Api(platform, Credentials(platform.key["access_key_id"], "not-the-secret"))
    stranger = Api(platform, Credentials("AKIA0000000000000000", "secret"))
    for answer in (api.call("GET", path, is_signed=False), wrong.get(path), stranger.get(path)):
        assert (answer.status, answer.fields) == (403, [])


@pytest.mark.parametrize("changed", ["url", "data", "method"])
def test_a_signature_is_good_for_one_request_only(api, changed):
    request = api.request("POST", "/runs?dry_run=true", {"workflow": "nothing", "parameters": {}})
    api.sign(request)
    other = {"url": f"{api.url}/runs", "data": b'{"workflow": "other", "parameters": {}}', "method": "GET"}
    setattr(request, changed, other[changed])
    answer = api.send(request)
    assert (answer.status, answer.fields) == (403, [])


def test_a_principal_who_may_not_call_the_api_is_refused(platform):
    reader = caller(platform, "reader", "s3:GetObject")
    assert reader.get("/runs").status == 403


def test_another_owner_s_run_is_seen_but_neither_ended_nor_continued_nor_fetched(api, platform, parameters):
    # Given a run of one user
    alice, bob = caller(platform, "alice"), caller(platform, "bob")
    run_id = submit(alice, parameters).document["run_id"]
    owner = "arn:aws:iam::000000000000:user/alice"
    # Then others see it
    assert bob.get(f"/runs/{run_id}").document["owner"] == owner
    assert [run["run_id"] for run in bob.get(f"/runs?owner={quote(owner, safe='')}").document["runs"]] == [run_id]
    assert bob.get("/runs?owner=me").document["runs"] == []
    # And may not touch it, whatever owner they call themselves
    for call in ("cancel", "resume"):
        refused = bob.post(f"/runs/{run_id}/{call}", X_Hpc_Owner=owner)
        assert (refused.status, refused.fields) == (403, [])
        assert owner in refused.document["detail"]
    assert bob.get(f"/runs/{run_id}/results", X_Hpc_Owner=owner).status == 403
    assert wait(alice, run_id)["status"] == "SUCCEEDED"
    assert alice.get(f"/runs/{run_id}/results").status == 200


@pytest.fixture
def page(platform) -> Iterator[Api]:
    """A caller with a role that the function trusts, as the web page's is."""
    iam, functions = platform.client("iam"), platform.client("lambda")
    anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
    role = iam.create_role(RoleName="WebTask", Path="/web/", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    may_call = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may_call]})
    iam.put_role_policy(RoleName="WebTask", PolicyName="Call", PolicyDocument=policy)
    names = {each["Handler"]: each["FunctionName"] for each in functions.list_functions()["Functions"]}
    name = names["api.handler"]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    trusting = {**before, "TRUSTED_ROLES": json.dumps([role]), "ADMINS": json.dumps(["boss@example.org"])}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": trusting})
    session = platform.client("sts").assume_role(RoleArn=role, RoleSessionName="task")["Credentials"]
    yield Api(platform, Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]))
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def test_a_trusted_page_names_the_owner_and_admins_may_touch_everything(api, page, parameters):
    run = submit(page, parameters, X_Hpc_Owner="dora@example.org").document
    assert run["owner"] == "dora@example.org"
    assert wait(api, run["run_id"])["status"] == "SUCCEEDED"
    path = f"/runs/{run['run_id']}/results"
    for name, status in (("dora@example.org", 200), ("emil", 403), ("boss@example.org", 200)):
        assert page.get(path, X_Hpc_Owner=name).status == status
    assert (page.get(path).status, api.get(path, X_Hpc_Owner="dora@example.org").status) == (403, 403)
    mine = page.get("/runs?owner=me", X_Hpc_Owner="dora@example.org").document["runs"]
    assert [found["run_id"] for found in mine] == [run["run_id"]]
    # Without sign-in there is one owner for all
    other = submit(page, {**parameters, "ProjectNo": f"{parameters['ProjectNo']}-2"}).document
    assert other["owner"] == "shared"
    assert wait(api, other["run_id"])["status"] == "SUCCEEDED"


def test_a_run_is_cancelled_and_goes_on(api, platform, parameters):
    platform.set_faults({"job_name": "*-String_Reverse-1", "times": "all", "action": "hang"})
    run_id = submit(api, parameters).document["run_id"]
    wait_until(lambda: any(job["jobName"] == f"{run_id}-String_Reverse-1" for job in platform.jobs(run_id)))
    # When it is cancelled, its jobs end too
    asked = api.post(f"/runs/{run_id}/cancel")
    assert (asked.status, asked.document["run_id"]) == (202, run_id)
    assert wait(api, run_id)["status"] == "CANCELLED"
    wait_until(lambda: all(job["status"] in ("SUCCEEDED", "FAILED") for job in platform.jobs(run_id)))
    # And it goes on, with what is missing only
    platform.set_faults()
    resumed = api.post(f"/runs/{run_id}/resume")
    assert (resumed.status, resumed.document["resumes"]) == (202, 1), resumed
    assert wait(api, run_id)["status"] == "SUCCEEDED"
    jobs = [job["jobName"].removeprefix(f"{run_id}-") for job in platform.jobs(run_id)]
    assert jobs.count("String_Split-0") == 1
    assert jobs.count("String_Reverse-1") == 2
    again = api.post(f"/runs/{run_id}/resume")
    assert again.status == 409


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
    answer = submit(api, parameters | changes)
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
        ({}, 422, ["workflow", "parameters"]),
        ({"workflow": 1, "parameters": "x", "more": 2}, 422, ["more", "workflow", "parameters"]),
        ({"workflow": "string_processing", "parameters": {}, "overwrite": "yes"}, 422, ["overwrite"]),
        ({"workflow": "nothing", "parameters": {}}, 404, ["workflow"]),
        ({"workflow": "../string_processing", "parameters": {}}, 404, ["workflow"]),
        (b'{"workflow": "' + b"x" * 10 * 2**20 + b'", "parameters": {}}', 413, []),
    ],
    ids=["empty", "broken", "list", "nan", "bare", "types", "flag", "unknown", "traversal", "10 MB"],
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
        assert send_form(form, b"x", **changes).status == status
        assert platform.client("s3").list_objects_v2(Bucket=form["bucket"], Prefix="uploads/Forms/")["KeyCount"] == 0

    def test_a_form_that_nobody_signed_is_refused(self, form):
        bare = {"key": form["fields"]["key"], "file": ("lines.txt", b"x")}
        assert urllib3.request("POST", form["url"], fields=bare).status == 403

    def test_what_is_larger_than_was_promised_is_refused(self, form):
        answer = send_form(form, b"x" * (form["max_bytes"] + 1))
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
            ({"project": ""}, "project"),
            ({"project": "a/b"}, "project"),
            ({"project": "<b>"}, "project"),
        ],
    )
    def test_what_could_not_be_an_input_is_refused(self, api, changes, field):
        body = {"workflow": "string_processing", "project": "Forms", "file_name": "lines.txt"} | changes
        answer = api.post("/uploads", body)
        assert (answer.status, answer.fields) == (422, [field]), answer


def test_runs_come_newest_first_in_pages(api, parameters, project):
    # Given three runs, of projects of their own
    ids = [submit(api, {**parameters, "ProjectNo": f"{project}-{n}"}).document["run_id"] for n in range(3)]
    # When they are read one by one
    seen, token = [], ""
    while len(seen) < 3:
        page = api.get(f"/runs?limit=1{token}").document
        seen += [run["run_id"] for run in page["runs"]]
        token = f"&next={page['next']}"
    # Then the newest is first
    assert seen == ids[::-1]
    day = f"{ids[0][:4]}-{ids[0][4:6]}-{ids[0][6:8]}"
    assert set(ids) <= {run["run_id"] for run in api.get(f"/runs?limit=100&day={day}").document["runs"]}
    assert api.get("/runs?day=2000-01-01").document == {"runs": [], "next": None}
    assert api.get("/runs?workflow=other").document["runs"] == []
    for run_id in ids:
        wait(api, run_id)
    found = api.get("/runs?limit=100&status=SUCCEEDED").document["runs"]
    assert set(ids) <= {run["run_id"] for run in found}


def test_every_call_leaves_a_line_in_the_access_log(api, platform):
    api.get("/runs/20260101-000000-abcdef")
    api.call("GET", "/workflows", is_signed=False)
    logs = platform.client("logs")
    (group,) = [
        found["logGroupName"]
        for found in logs.describe_log_groups()["logGroups"]
        if "AccessLogs" in found["logGroupName"]
    ]
    events = logs.filter_log_events(logGroupName=group)["events"]
    lines = [json.loads(event["message"]) for event in events]
    called = [(line["method"], line["path"], line["status"], line["caller"]) for line in lines]
    assert ("GET", "/v1/runs/20260101-000000-abcdef", "404", "arn:aws:iam::000000000000:user/owner") in called
    assert ("GET", "/v1/workflows", "403", "-") in called
