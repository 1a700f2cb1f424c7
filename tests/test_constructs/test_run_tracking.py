"""Run tracking: what reaches the queue, what its functions may do, and what becomes of what fails."""

import json
from typing import Any

import pytest

from tests.policies import Policies
from tests.synthesis import ROOT, Synthesized

CALLS = {
    "RecordEvent": {
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "ec2:DescribeInstances",
        "ecs:DescribeContainerInstances",
        "states:DescribeExecution",
    },
    "Reconcile": {
        "batch:DescribeJobs",
        "batch:ListJobs",
        "batch:TerminateJob",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
        "s3:GetObject",
        "sqs:SendMessage",
        "states:DescribeExecution",
        "states:ListExecutions",
    },
}
OF_THE_RUNTIME = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ReceiveMessage",
}
RESOURCES_THAT_MAY_BE_ALL = {"batch:DescribeJobs", "batch:ListJobs", "ec2:DescribeInstances"}


def rule(production: Synthesized, name: str) -> dict[str, Any]:
    return production.template["Resources"][production.name_of("AWS::Events::Rule", name)]["Properties"]


def test_jobs_of_our_queues_reach_the_queue_but_for_children_of_array_jobs(production: Synthesized) -> None:
    pattern = rule(production, "TrackingEventsJobChanges")["EventPattern"]
    assert (pattern["source"], pattern["detail-type"]) == (["aws.batch"], ["Batch Job State Change"])
    queues = {each["Fn::GetAtt"][0] for each in pattern["detail"]["jobQueue"]}
    assert queues == set(production.resources("AWS::Batch::JobQueue"))
    assert pattern["detail"]["arrayProperties"] == {"index": [{"exists": False}]}
    assert set(pattern["detail"]["status"]) == {"RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"}


def test_executions_of_our_machines_reach_the_queue(production: Synthesized) -> None:
    pattern = rule(production, "TrackingEventsExecutionChanges")["EventPattern"]
    assert pattern["source"] == ["aws.states"]
    assert pattern["detail"]["stateMachineArn"] == [
        {"Ref": name} for name in production.resources("AWS::StepFunctions::StateMachine")
    ]


def test_what_cannot_be_delivered_or_handled_is_kept(production: Synthesized) -> None:
    queues = production.resources("AWS::SQS::Queue")
    dead = production.name_of("AWS::SQS::Queue", "DeadLetters")
    (events,) = (queue for name, queue in queues.items() if name != dead)
    dead_arn = {"Fn::GetAtt": [dead, "Arn"]}
    assert events["RedrivePolicy"] == {"deadLetterTargetArn": dead_arn, "maxReceiveCount": 5}
    assert queues[dead]["MessageRetentionPeriod"] == 14 * 24 * 3600
    for name in ("TrackingEventsJobChanges", "TrackingEventsExecutionChanges"):
        (target,) = rule(production, name)["Targets"]
        assert target["DeadLetterConfig"] == {"Arn": dead_arn}
    assert all(queue["SqsManagedSseEnabled"] is True for queue in queues.values())


def test_messages_come_in_large_batches_and_one_by_one_again(production: Synthesized) -> None:
    mapping = production.one("AWS::Lambda::EventSourceMapping")
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (1000, 2)
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 2}
    functions = production.resources("AWS::Lambda::Function")
    (timeout,) = (each["Timeout"] for name, each in functions.items() if "RecordEvent" in name)
    queues = production.resources("AWS::SQS::Queue")
    (visibility,) = (each["VisibilityTimeout"] for each in queues.values() if "RedrivePolicy" in each)
    assert visibility == 6 * timeout + mapping["MaximumBatchingWindowInSeconds"]


def test_the_reconciler_runs_each_minute(production: Synthesized) -> None:
    period = rule(production, "TrackingPeriod")
    assert period["ScheduleExpression"] == "rate(1 minute)"
    (target,) = period["Targets"]
    assert "Reconcile" in target["Arn"]["Fn::GetAtt"][0]


@pytest.mark.parametrize("name", sorted(CALLS))
def test_the_roles_are_what_the_code_calls(production: Synthesized, name: str) -> None:
    role = production.name_of("AWS::IAM::Role", f"Tracking{name}")
    allowed: dict[str, set[str]] = {}
    for statement in Policies(production.template).statements(role):
        for action in statement["Action"]:
            allowed.setdefault(action, set()).update(statement["Resource"])
    assert set(allowed) - OF_THE_RUNTIME == CALLS[name]
    assert {action for action, resources in allowed.items() if "*" in resources} <= RESOURCES_THAT_MAY_BE_ALL
    folder = {"RecordEvent": "record_event", "Reconcile": "reconcile"}[name]
    code = "\n".join(file.read_text() for file in (ROOT / "lambda" / folder).glob("*.py"))
    for action in CALLS[name] - {"s3:GetObject"}:
        service, operation = action.split(":")
        method = "".join("_" + letter.lower() if letter.isupper() else letter for letter in operation).lstrip("_")
        spelled = {"dynamodb:PutItem": "put_item", "sqs:SendMessage": "send_message_batch"}.get(action, method)
        if name == "RecordEvent" and action == "dynamodb:UpdateItem":
            assert "transact_write_items" in code
        assert spelled in code, f"{service}: {spelled}"


def test_the_functions_know_queues_table_and_machines(production: Synthesized) -> None:
    policies = Policies(production.template)
    functions = production.resources("AWS::Lambda::Function")
    (reconcile,) = (each for name, each in functions.items() if "Reconcile" in name)
    variables = policies.resolve(reconcile["Environment"]["Variables"])
    queues = json.loads(variables["JOB_QUEUES"])
    assert {queue["architecture"] for queue in queues} == {"graviton", "x86"}
    assert len(queues) == len(production.resources("AWS::Batch::JobQueue"))
    assert [arn.split(":")[5] for arn in json.loads(variables["STATE_MACHINES"])] == ["stateMachine"]
    assert variables["RUN_TABLE"] == production.name_of("AWS::DynamoDB::Table")


def test_only_functions_that_say_so_may_write_rows(production: Synthesized) -> None:
    policies = Policies(production.template)
    table = policies.arn(production.name_of("AWS::DynamoDB::Table"))
    allowed = {
        name: policies.allows(
            production.name_of("AWS::IAM::Role", f"StringProcessing{name}"), "dynamodb:UpdateItem", table
        )
        for name in ("JobMap", "CheckOutput")
    }
    assert allowed == {"JobMap": True, "CheckOutput": False}
