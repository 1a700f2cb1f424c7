"""Hooks of the emulator, in a process of their own: ministack reads its settings when it is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hpc.local import emulator
from hpc.local.configuration import PlatformConfig


def run(folder: Path, code: str, *, given: str = "", timeout_s: float = 30) -> list:
    """Runs code with the emulator's settings and `given` to read; gives what it printed, a JSON document a line."""
    config = PlatformConfig.make(state_dir=folder, project_root=folder, port=4566, region="us-east-1", last=None)
    environment = {**emulator.settings(config), "HOME": str(folder), "TMPDIR": str(folder)}
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


MAP = """
import json, sys, threading, time
from ministack.services import stepfunctions
from hpc.local.hooks.step_functions import run_distributed_map

most, now, lock = 0, 0, threading.Lock()
real = stepfunctions._run_sub_machine

def counted(*given):
    global most, now
    with lock:
        now += 1
        most = max(most, now)
    try:
        time.sleep(0.02)
        return real(*given)
    finally:
        with lock:
            now -= 1

stepfunctions._run_sub_machine = counted
texts = {"items.json": '[{"n": 1}, {"n": 2}, {"n": 3}]'}
stepfunctions._s3_object_text = lambda bucket, key: texts[key]
choices = [{"Variable": "$.n", "NumericLessThan": 0, "Next": "No"}]
states = {
    "Choose": {"Type": "Choice", "Choices": choices, "Default": "Yes"},
    "No": {"Type": "Fail", "Error": "Negative", "Cause": "it is"},
    "Yes": {"Type": "Pass", "End": True},
}

def run(items, **state):
    global most
    most = 0
    state = {"Type": "Map", "End": True, "ItemsPath": "$.items", **state}
    given = {"items": [{"n": n} for n in items]}
    execution = {"executionArn": "arn:execution", "stateMachineArn": "arn:machine"}
    try:
        processor = {"StartAt": "Choose", "States": states}
        output, _ = run_distributed_map(state, given, given, processor, execution, {"Execution": {"Id": "arn"}})
    except stepfunctions._ExecutionError as error:
        output = error.error
    print(json.dumps([output, most]))
"""
EXCEEDED = "States.ExceedToleratedFailureThreshold"


def test_a_distributed_map_gives_results_in_order_and_runs_no_more_children_than_allowed(tmp_path):
    [[output, most]] = run(tmp_path, MAP + "run(range(20), MaxConcurrency=3)")
    assert output == [{"n": number} for number in range(20)]
    assert 1 < most <= 3


def test_a_distributed_map_reads_its_items_from_s3_and_selects_from_them(tmp_path):
    reader = {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {"Bucket": "b", "Key": "items.json"}}
    selector = {"n.$": "$$.Map.Item.Value.n", "index.$": "$$.Map.Item.Index", "all.$": "$.items"}
    [[output, _]] = run(tmp_path, MAP + f"run([9], ItemReader={reader!r}, ItemSelector={selector!r})")
    assert output == [{"n": n, "index": n - 1, "all": [{"n": 9}]} for n in (1, 2, 3)]


def test_a_distributed_map_of_nothing_gives_nothing(tmp_path):
    assert run(tmp_path, MAP + "run([])") == [[[], 0]]


def test_a_distributed_map_tolerates_what_its_thresholds_say(tmp_path):
    # Given four children of which two fail, and whether each Map holds
    tolerated = [
        ({}, False),
        ({"ToleratedFailurePercentage": 100}, True),
        ({"ToleratedFailurePercentage": 50}, True),
        ({"ToleratedFailurePercentage": 49}, False),
        ({"ToleratedFailureCount": 2}, True),
        ({"ToleratedFailureCount": 1}, False),
        ({"ToleratedFailureCount": 2, "ToleratedFailurePercentage": 10}, False),
    ]
    calls = "".join(f"run([1, -1, -2, 2], **{thresholds!r})\n" for thresholds, _ in tolerated)
    ended = [output for output, _ in run(tmp_path, MAP + calls)]
    assert ended == [[{"n": 1}, None, None, {"n": 2}] if holds else EXCEEDED for _, holds in tolerated]


ROUTES = """
import json, sys
from ministack.services import s3
from hpc.local.hooks.accounts import enter
from hpc.local.hooks.storage import goes_to_store, is_in_store

enter("000000000000", "us-east-1")
for name in ("data", "cdk-assets"):
    s3._create_bucket(name, b"", {})
for method, path, query in json.loads(CASES):
    print(json.dumps(goes_to_store(method, path, query)))
"""
CASES = [
    ("GET", "/data/key", "", True),
    ("PUT", "/data/a/b", "partNumber=1&uploadId=u", True),
    ("HEAD", "/data/key", "", True),
    ("DELETE", "/data/key", "", True),
    ("GET", "/data/key", "tagging", True),
    ("GET", "/data", "", True),
    ("GET", "/data/", "list-type=2&prefix=a%2F&delimiter=%2F", True),
    ("GET", "/data", "list-type=2&X-Amz-Signature=s&X-Amz-Credential=c", True),
    ("GET", "/data", "uploads", True),
    ("POST", "/data", "delete", True),
    ("GET", "/data", "policy", False),
    ("GET", "/data", "lifecycle", False),
    ("GET", "/data", "location", False),
    ("PUT", "/data", "", False),
    ("PUT", "/data", "policy", False),
    ("HEAD", "/data", "", False),
    ("DELETE", "/data", "", False),
    ("GET", "/", "", False),
    ("GET", "/cdk-assets/key", "", False),
    ("PUT", "/cdk-assets/key", "", False),
    ("GET", "/unknown/key", "", False),
]


def test_objects_go_to_the_store_and_questions_about_buckets_to_the_emulator(tmp_path):
    given = json.dumps([case[:3] for case in CASES])
    answers = run(tmp_path, ROUTES.replace("CASES", repr(given)))
    assert [(*case[:3], answer) for case, answer in zip(CASES, answers, strict=True)] == CASES


SAVING = """
import asyncio, json, os, signal, time
from pathlib import Path
from ministack import app
from hpc.local.hooks import state
from hpc.local.journal import Journal

journal = Journal(Path("journal.sqlite"))
saved = []

def save(services):
    journal.position()
    saved.append(True)

app._load_persisted_state = lambda: None
state._save_on_request(save)

async def serve():
    os.kill(os.getpid(), signal.SIGUSR1)  # before the state is loaded: nothing to save, and no end of the process
    app._load_persisted_state()
    with journal._lock:  # as while a row is being written
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.05)
    for _ in range(100):
        await asyncio.sleep(0.01)
        if saved:
            break
    print(json.dumps(len(saved)))

asyncio.run(serve())
"""


def test_a_request_to_save_that_comes_while_the_journal_is_written_waits_for_its_turn(tmp_path):
    assert run(tmp_path, SAVING, timeout_s=10) == [1]


CHANGING = """
import json
from pathlib import Path
from ministack.core import persistence
from hpc.local.hooks import state
from hpc.local.journal import Journal

persistence.STATE_DIR = "saved"
journal = Journal(Path("journal.sqlite"))
journal.keep_item("table", "pk", "sk", {})
state._CHANGED_WAITS_S = (0, 0, 0)
for changes in CHANGES:
    tries = []
    def get_state():
        tries.append(1)
        if len(tries) <= changes:
            raise RuntimeError("dictionary changed size during iteration")
        return {"changes": changes}
    state._saving(journal)({"first": lambda: {}, "service": get_state})
    saved = Path("saved/service.json")
    payload = json.loads(saved.read_text())["payload"] if saved.exists() else None
    print(json.dumps([payload, len(list(journal.items()))]))
"""


def test_a_state_that_changes_while_it_is_saved_is_saved_again_and_else_stays_in_the_journal(tmp_path):
    never, after_three = run(tmp_path, CHANGING.replace("CHANGES", "(4, 3)"))
    assert (never, after_three) == ([None, 1], [{"changes": 3}, 0])


FAULTS = """
import json
from pathlib import Path
from ministack.services import stepfunctions
from hpc.local.batch.faults import FaultSwitches
from hpc.local.hooks import lambdas

calls = []
stepfunctions._call_lambda = lambda function, event: calls.append(event) or len(calls)
lambdas._suffer_faults(FaultSwitches(Path("faults.json")))
try:
    answer = stepfunctions._call_lambda("function", {})
except stepfunctions._ExecutionError as error:
    answer = error.error
print(json.dumps([answer, len(calls)]))
"""


@pytest.mark.parametrize(
    ("actions", "answer", "calls"),
    [
        ([], 1, 1),
        (["throttle"], "Lambda.TooManyRequestsException", 0),
        (["lose_answer"], "Lambda.Unknown", 1),
        (["double_call"], 2, 2),
        (["double_call", "lose_answer"], "Lambda.Unknown", 2),
    ],
)
def test_a_call_of_a_function_suffers_what_the_switches_say(tmp_path, actions, answer, calls):
    entries = [{"call": "lambda:Invoke", "action": action} for action in actions]
    (tmp_path / "faults.json").write_text(json.dumps(entries))
    assert run(tmp_path, FAULTS) == [[answer, calls]]


def test_keys_are_looked_at_wherever_a_request_names_them(tmp_path):
    code = """
import json
from hpc.local.hooks.storage import refusal
delete = b"<Delete><Object><Key>a/b</Key></Object><Object><Key>a//b&amp;c</Key></Object></Delete>"
for given in [
    ("/bucket/a/b", "", ""), ("/bucket", "prefix=a/b&list-type=2", ""), ("/bucket/x", "", "/bucket/a%20b?versionId=1"),
    ("/bucket", "delete", "", b"<Delete><Object><Key>a/b</Key></Object></Delete>"),
    ("/bucket//a", "", ""), ("/bucket/a", "", "bucket/a%2F%2Fb"), ("/bucket/a", "", "/bucket/a%5Cb"),
    ("/bucket", "prefix=a%2F%2Fb", ""), ("/bucket", "delete", "", delete),
]:
    print(json.dumps((refusal(*given) or b"").decode()))
"""
    answers = run(tmp_path, code)
    assert answers[:4] == [""] * 4
    assert all(answer.startswith("<Error><Code>InvalidArgument</Code><Message>Key ") for answer in answers[4:])
    assert "a//b&amp;c" in answers[-1]


def test_the_keys_to_delete_are_those_that_the_body_means_however_it_spells_them(tmp_path):
    code = """
import json, sys
from hpc.local.hooks.storage import refusal
for body in json.loads(sys.stdin.read()):
    print(json.dumps((refusal("/bucket", "delete", "", body.encode()) or b"").decode()))
"""
    start, end = "<Delete><Object>", "</Object></Delete>"
    bodies = {
        '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a/b</Key>' + end: "",
        f"{start}<Key>a/b</Key><VersionId>1</VersionId>{end}": "",
        "<Delete><Quiet>true</Quiet></Delete>": "",
        f"{start}<Key>a/&#47;b</Key>{end}": "InvalidArgument",
        f"{start}<Key><![CDATA[a//b]]></Key>{end}": "InvalidArgument",
        f"{start}<Key >a//b</Key >{end}": "InvalidArgument",
        f"{start}<Key>a/<!-- -->/b</Key>{end}": "InvalidArgument",
        '<s:Delete xmlns:s="s3"><s:Object><s:Key>a//b</s:Key></s:Object></s:Delete>': "InvalidArgument",
        f"{start}<Key>a/<i/>b</Key>{end}": "MalformedXML",
        f"{start}<Key>a/b</Key><Key>other</Key>{end}": "MalformedXML",
        f"{start}{end}": "MalformedXML",
        f"{start}<Key>a/b{end}": "MalformedXML",
        f'<!DOCTYPE d [<!ENTITY e "//">]>{start}<Key>a&e;b</Key>{end}': "MalformedXML",
    }
    answers = run(tmp_path, code, given=json.dumps(list(bodies)))
    codes = [answer.partition("<Code>")[2].partition("</Code>")[0] for answer in answers]
    assert dict(zip(bodies, codes, strict=True)) == bodies


FULL = """
import asyncio, json, shutil, sys
from types import SimpleNamespace
from ministack import app
from ministack.services import s3
from hpc.local.front_door import AUTHORIZE_PATH
from hpc.local.hooks import requests
from hpc.local.hooks.accounts import enter

enter("000000000000", "us-east-1")
for name in ("data", "cdk-assets"):
    s3._create_bucket(name, b"", {})
requests.shutil = SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=requests.MIN_FREE_BYTES + 1000))
faults = SimpleNamespace(for_call=lambda _: SimpleNamespace(delay_s=0, is_throttled=False))
requests.store_form = lambda *given: (204, {}, b"")

async def serve(scope, receive, send):
    await requests._send(send, 200, [], b"")

async def receive():
    return {"type": "http.request", "body": b""}

async def ask(path, method, query="", **headers):
    statuses = []
    async def send(message):
        statuses.append(message.get("status"))
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "method": method, "query_string": query.encode(), "headers": named}
    await guard(scope, receive, send)
    return statuses[0]

app.app = serve
guard = requests._Guard(SimpleNamespace(faults=faults), None, "/")
for method, path, query, size, kind in json.loads(sys.stdin.read()):
    uri = path + ("?" + query if query else "")
    shown = {"x_forwarded_method": method, "x_forwarded_uri": uri, "x_hpc_length": size}
    print(json.dumps([
        asyncio.run(ask(path, method, query, content_length=size, content_type=kind)),
        asyncio.run(ask(AUTHORIZE_PATH, "GET", **shown)),
    ]))
"""
FORM = "multipart/form-data; boundary=x"
# With 1,000 bytes to spare: what the emulator is asked itself, and what is shown to it; each by its size.
REQUESTS_TO_A_FULL_DISK = [
    (("PUT", "/data/key", "", "1000", ""), [507, 507]),
    (("PUT", "/data/key", "", "999", ""), [200, 200]),
    (("PUT", "/data/key", "partNumber=1&uploadId=u", "5000", ""), [507, 507]),
    (("POST", "/data", "", "5000", FORM), [507, 200]),  # what is shown has no form: that comes by itself
    (("POST", "/data", "", "999", FORM), [204, 200]),
    (("GET", "/data/key", "", "", ""), [200, 200]),
    (("DELETE", "/data/key", "", "", ""), [200, 200]),
    (("POST", "/data", "delete", "5000", ""), [200, 200]),
    (("POST", "/", "", "5000", "application/x-amz-json-1.0"), [200, 200]),  # DynamoDB's Query, SQS, Step Functions
    (("POST", "/v1/terminatejob", "", "5000", "application/json"), [200, 200]),
    (("PUT", "/data", "policy", "5000", ""), [200, 200]),
]


def test_a_full_disk_refuses_uploads_and_neither_looks_nor_deletions(tmp_path):
    given = json.dumps([request for request, _ in REQUESTS_TO_A_FULL_DISK])
    answers = run(tmp_path, FULL, given=given)
    found = [(request, answer) for (request, _), answer in zip(REQUESTS_TO_A_FULL_DISK, answers, strict=True)]
    assert found == REQUESTS_TO_A_FULL_DISK


IMAGES = """
import json
from pathlib import Path
from ministack.services import ecr
from hpc.local.hooks import images
from hpc.local.job_code import code_digest

folder = Path("jobs/string_split")
folder.mkdir(parents=True)
(folder / "Dockerfile").write_text("FROM scratch")
images.install(Path("jobs"))
ecr._create_repository({"repositoryName": "batch_local/string_split"})
ecr._create_repository({"repositoryName": "batch_local/other"})

def digest(name):
    status, _, body = ecr._describe_images({"repositoryName": name, "imageIds": [{"imageTag": "latest"}]})
    answer = json.loads(body)
    return answer["imageDetails"][0]["imageDigest"] if status == 200 else answer["__type"].rpartition("#")[2]

first = digest("batch_local/string_split")
print(json.dumps(first == "sha256:" + code_digest(Path("jobs"), "string_split")))
(folder / "split.py").write_text("x = 1")
print(json.dumps(digest("batch_local/string_split") != first))
print(json.dumps([digest("batch_local/other"), digest("batch_local/none")]))
"""


def test_an_image_s_digest_is_that_of_its_folder(tmp_path):
    same, changed, missing = run(tmp_path, IMAGES)
    assert (same, changed) == (True, True)
    assert missing == ["ImageNotFoundException", "RepositoryNotFoundException"]


WAITING = """
import asyncio, json
from ministack.services import apigateway_v1
from hpc.local.hooks import lambdas

now = most = 0

async def call(*_args, **_kwargs):
    global now, most
    now += 1
    most = max(most, now)
    await asyncio.sleep(0.01)
    now -= 1

apigateway_v1._call_lambda_raw = call
lambdas._let_api_calls_wait()

async def many():
    await asyncio.gather(*(apigateway_v1._call_lambda_raw("f", {}) for _ in range(100)))

asyncio.run(many())
print(json.dumps([most, lambdas.API_CALLS_AT_ONCE]))
"""


def test_calls_of_an_api_wait_for_each_other(tmp_path):
    ((most, allowed),) = run(tmp_path, WAITING)
    assert most == allowed


EVENTS = """
import json, threading, time
from ministack.core import iam_actions
from ministack.core.responses import set_request_account_id, set_request_region
from ministack.services import eventbridge, lambda_svc, sqs, stepfunctions
from hpc.local.batch.faults import EventFault
from hpc.local.hooks import events

class Faults:
    lost, late, doubled = set(), set(), set()
    def for_event(self, label, status, attempt):
        return EventFault(0.3 if status in self.late else 0, 0 if status in self.lost else 1 + (status in self.doubled))

events.install(Faults())
set_request_account_id("000000000000")
set_request_region("us-east-1")
url = sqs._act_create_queue({"QueueName": "events", "Attributes": {"VisibilityTimeout": "60"}}, "")["QueueUrl"]
queue = sqs._get_q(url)
eventbridge._ensure_default_bus()
arn = queue["attributes"]["QueueArn"]

def rule(pattern):
    eventbridge._put_rule({"Name": "rule", "EventPattern": json.dumps(pattern)})
    eventbridge._put_targets({"Rule": "rule", "Targets": [{"Id": "1", "Arn": arn}]})

def publish(status, **more):
    events.publish("aws.batch", "Batch Job State Change", {"status": status, **more}, "arn:job")

def mapping(**more):
    lambda_svc._esms["id"] = {"UUID": "id", "EventSourceArn": arn, "FunctionName": "f", **more}

def receive(number):
    return [json.loads(message["body"])["detail"]["status"] for message in sqs._receive_messages_for_esm(url, number)]

def show(value):
    print(json.dumps(value))
"""
CHILDREN = {"detail": {"arrayProperties": {"index": [{"exists": False}]}}}


def test_events_of_batch_reach_the_queue_of_a_rule_that_wants_them_and_are_kept_nowhere_else(tmp_path):
    code = f"""
rule({CHILDREN!r})
publish("RUNNING")
publish("CHILD", arrayProperties={{"index": 0}})
publish("GROUP", arrayProperties={{"size": 2}})
message = json.loads(queue["messages"][0]["body"])
show([message["source"], message["detail-type"], message["resources"], message["detail"]])
show(receive(10))
show(len(eventbridge._events_log_list()))
"""
    told = ["aws.batch", "Batch Job State Change", ["arn:job"], {"status": "RUNNING"}]
    assert run(tmp_path, EVENTS + code) == [told, ["RUNNING", "GROUP"], 0]


def test_a_batch_waits_for_its_window_unless_it_is_full_and_holds_more_than_ten(tmp_path):
    code = """
rule({"source": ["aws.batch"]})
mapping(MaximumBatchingWindowInSeconds=1)
for number in range(25):
    publish(str(number))
show(receive(100))
show(len(receive(20)))
time.sleep(1.05)
show(len(receive(100)))
show(receive(100))
"""
    assert run(tmp_path, EVENTS + code) == [[], 20, 5, []]


def test_a_batch_is_no_larger_than_what_a_function_may_be_given(tmp_path):
    code = """
rule({"source": ["aws.batch"]})
for number in range(5):
    publish("x" * 2_500_000)
show([len(receive(100)), len(receive(100)), len(receive(100))])
"""
    assert run(tmp_path, EVENTS + code) == [[2, 2, 1]]


def test_who_may_send_a_message_may_send_many(tmp_path):
    code = """
def action(name):
    return iam_actions.extract_iam_action("sqs", "POST", "/", {"x-amz-target": f"AmazonSQS.{name}"}, b"{}", {})
show([action("SendMessageBatch"), action("DeleteMessage")])
"""
    assert run(tmp_path, EVENTS + code) == [["sqs:SendMessage", "sqs:DeleteMessage"]]


def test_an_event_of_an_execution_may_be_lost_doubled_and_late(tmp_path):
    code = """
rule({"source": ["aws.states"]})
Faults.lost, Faults.doubled, Faults.late = {"TIMED_OUT"}, {"SUCCEEDED"}, {"RUNNING"}
execution = {"executionArn": "arn:e", "stateMachineArn": "arn:m", "name": "n", "input": "{}"}
for status in ("RUNNING", "TIMED_OUT", "SUCCEEDED"):
    execution["status"] = status
    stepfunctions._emit_execution_status_event(execution)
show(receive(10))
deadline = time.monotonic() + 10
while not (late := receive(10)) and time.monotonic() < deadline:
    time.sleep(0.02)
show(late)
"""
    assert run(tmp_path, EVENTS + code) == [["SUCCEEDED", "SUCCEEDED"], ["RUNNING"]]


SESSIONS = """
import json, sys, threading, time
from ministack.services import sts
from hpc.local.hooks import accounts
accounts.install("AKIA", "secret")
sys.setswitchinterval(1e-6)
accounts.EVICTION_PERIOD_S = 0
broken = []
def register(thread):
    for number in range(300):
        try:
            sts.register_session(f"{thread}-{number}", {"Expiration": time.time() + 60})
        except RuntimeError as error:
            broken.append(str(error))
threads = [threading.Thread(target=register, args=(number,)) for number in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
sts._sessions["old"] = {"Expiration": 1.0}
sts.register_session("new", {"Expiration": time.time() + 60})
print(json.dumps([len(broken), len(sts._sessions), "old" in sts._sessions]))
"""


def test_sessions_are_registered_by_many_threads_at_once(tmp_path):
    assert run(tmp_path, SESSIONS) == [[0, 2401, False]]


EXPRESSIONS = """
import json
from ministack.services import dynamodb
from hpc.local.hooks import expressions

conditions = [
    "#s = :s AND begins_with(a.b[0], :t)", "((a = :s))", "a BETWEEN :t AND :s", "size = :s", "a = ", "a IN (:s, :t)",
    "(", "", "attribute_not_exists(pk) OR n < :n", "NOT a = :s",
]
items = [{}, {"s": {"S": "x"}, "a": {"M": {"b": {"L": [{"S": "yes"}]}}}}, {"a": {"S": "x"}, "n": {"N": "3"}}]
values = {":s": {"S": "x"}, ":t": {"S": "y"}, ":n": {"N": "4"}}

def seen():
    found = []
    for condition in conditions:
        for item in items:
            try:
                found.append(dynamodb._evaluate_condition(condition, item, values, {"#s": "s"}))
            except ValueError as error:
                found.append(str(error))
    return found

before = seen()
expressions.install()
print(json.dumps([before == seen() == seen(), len({str(each) for each in before})]))
"""


def test_expressions_that_are_read_once_mean_what_they_meant(tmp_path):
    ((are_equal, kinds),) = run(tmp_path, EXPRESSIONS)
    assert are_equal
    # True, False, and refusals of several kinds.
    assert kinds > 4
