"""Events in queues: which, how many at once, lost, doubled and late."""

from __future__ import annotations

from tests.test_hpc.test_local.test_hooks.conftest import run

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
