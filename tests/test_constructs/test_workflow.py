"""The state machine: what is filled into its definition, its log, and the role that may do what it calls."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.policies import Policies
from tests.synthesis import ROOT, Synthesized, synthesize

PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9]+)\}")
SOURCE = (ROOT / "workflows" / "string_processing" / "definition.asl.json").read_text("utf-8")
FILLED_IN_AT_SYNTHESIS = {"Partition", "MaxAttempts", "MapMaxConcurrency", "GroupAbove"}
R = "20260101-120000-abcdef"


@pytest.fixture
def policies(production: Synthesized) -> Policies:
    return Policies(production.template)


@pytest.fixture
def role(production: Synthesized) -> str:
    return production.name_of("AWS::IAM::Role", "MachineRole")


@pytest.fixture
def bucket(production: Synthesized, policies: Policies) -> str:
    return policies.arn(production.name_of("AWS::S3::Bucket", "DataBucket"))


def deployed(assembly: Synthesized) -> dict[str, Any]:
    """The definition as Step Functions gets it."""
    machine = assembly.one("AWS::StepFunctions::StateMachine")
    text = machine["DefinitionString"]
    for name, value in Policies(assembly.template).resolve(machine["DefinitionSubstitutions"]).items():
        text = text.replace(f"${{{name}}}", value)
    return json.loads(text)


def tasks(part: Any) -> Iterator[dict[str, Any]]:
    """Every Task state, those inside of Parallel and Map too."""
    if isinstance(part, dict):
        if part.get("Type") == "Task":
            yield part
        for each in part.values():
            yield from tasks(each)
    elif isinstance(part, list):
        for each in part:
            yield from tasks(each)


def test_every_placeholder_is_supplied_and_every_supplied_one_used(production: Synthesized) -> None:
    _, definition, substitutions = next(production.definitions())
    assert set(PLACEHOLDER.findall(SOURCE)) == set(substitutions) | FILLED_IN_AT_SYNTHESIS
    assert set(PLACEHOLDER.findall(json.dumps(definition))) == set(substitutions)
    assert "${" not in json.dumps(deployed(production))


def test_numbers_are_numbers(production: Synthesized) -> None:
    assert '"MaxConcurrency": 50' in json.dumps(deployed(production))
    assert '"max_attempts": 3' in json.dumps(deployed(production))
    assert '"group_above": 100' in json.dumps(deployed(production))
    other = json.dumps(deployed(synthesize(maxAttempts="5", mapMaxConcurrency="500", groupAbove="20000")))
    assert '"group_above": 20000' in other
    assert '"MaxConcurrency": 500' in other
    assert '"max_attempts": 5' in other


def test_nothing_else_of_the_source_is_changed(production: Synthesized) -> None:
    machine = production.one("AWS::StepFunctions::StateMachine")
    text = SOURCE.replace("${Partition}", "aws")
    for name, number in {"MaxAttempts": 3, "MapMaxConcurrency": 50, "GroupAbove": 100}.items():
        text = text.replace(f'"${{{name}}}"', str(number))
    assert json.loads(machine["DefinitionString"]) == json.loads(text)


def test_other_partitions() -> None:
    assert "arn:aws-cn:states:::batch:submitJob.sync" in json.dumps(deployed(synthesize(Region="cn-north-1")))


def test_logged_without_the_data_of_runs(production: Synthesized) -> None:
    logging = production.one("AWS::StepFunctions::StateMachine")["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)
    group = logging["Destinations"][0]["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0]
    assert production.resources("AWS::Logs::LogGroup")[group] == {
        "LogGroupName": "/aws/vendedlogs/states/Production-abc/string_processing",
        "RetentionInDays": 90,
    }


def calls(assembly: Synthesized) -> Iterator[tuple[str, str]]:
    """Action and resource of everything that the definition calls."""
    definition = deployed(assembly)
    prepared = json.dumps(definition["States"]["Prepare"]["Output"])
    queues = re.findall(r"arn:aws:batch:[^']*:job-queue/[^']*", prepared)
    revisions = re.findall(r"arn:aws:batch:[^']*:job-definition/[^']*", prepared)
    assert (len(queues), len(revisions)) == (4, 4)
    for task in tasks(definition):
        service, parameters = task["Resource"].split(":::")[1], task["Parameters"]
        if service == "batch:submitJob.sync":
            yield from (("batch:SubmitJob", arn) for arn in queues + revisions)
            yield from (("batch:TagResource", "arn:aws:batch:us-east-1:123456789012:job/0123") for _ in ["Tags"])
        elif service == "lambda:invoke":
            yield "lambda:InvokeFunction", parameters["FunctionName"]
        elif service == "sns:publish":
            yield "sns:Publish", parameters["TopicArn"]
        else:
            assert service == "dynamodb:updateItem", f"teach this test {service}"
            yield "dynamodb:UpdateItem", f"arn:aws:dynamodb:us-east-1:123456789012:table/{parameters['TableName']}"


def test_every_call_of_the_definition_is_permitted(production: Synthesized, policies: Policies, role: str) -> None:
    made = set(calls(production))
    assert len(made) >= 13
    assert [call for call in made if not policies.allows(role, *call)] == []


def test_what_stands_behind_the_calls_is_permitted(
    production: Synthesized, policies: Policies, role: str, bucket: str
) -> None:
    """What Step Functions does for `.sync`, for a distributed Map, for the encrypted topic and for the log."""
    machine = policies.arn(production.name_of("AWS::StepFunctions::StateMachine"))
    child = f"{machine.replace(':stateMachine:', ':execution:')}/Repeat:0123"
    job = "arn:aws:batch:us-east-1:123456789012:job/0123"
    rule = "arn:aws:events:us-east-1:123456789012:rule/StepFunctionsGetEventsForBatchJobsRule"
    key = policies.arn(production.name_of("AWS::KMS::Key"))
    for action, resource in [
        ("batch:DescribeJobs", "*"),
        ("batch:TerminateJob", job),
        ("events:PutTargets", rule),
        ("events:PutRule", rule),
        ("events:DescribeRule", rule),
        ("states:StartExecution", machine),
        ("states:DescribeExecution", child),
        ("states:StopExecution", child),
        ("s3:GetObject", f"{bucket}/result/Project1/Job_Map/{R}/try_1_String_Repeat.json"),
        ("kms:GenerateDataKey", key),
        ("kms:Decrypt", key),
        ("logs:CreateLogDelivery", "*"),
        ("logs:PutResourcePolicy", "*"),
    ]:
        assert policies.allows(role, action, resource), action


def test_a_run_may_name_another_revision_and_no_other_definition(
    production: Synthesized, policies: Policies, role: str
) -> None:
    for name in production.resources("AWS::Batch::JobDefinition"):
        arn = policies.arn(name).removesuffix(":1")
        assert policies.allows(role, "batch:SubmitJob", f"{arn}:27")
        assert policies.allows(role, "batch:SubmitJob", arn)
        assert not policies.allows(role, "batch:SubmitJob", f"{arn}Other:1")


def test_and_little_else_is_permitted(production: Synthesized, policies: Policies, role: str, bucket: str) -> None:
    account = "us-east-1:123456789012"
    machine = policies.arn(production.name_of("AWS::StepFunctions::StateMachine"))
    table = policies.arn(production.name_of("AWS::DynamoDB::Table"))
    for action, resource in [
        ("batch:SubmitJob", f"arn:aws:batch:{account}:job-queue/Other"),
        ("batch:RegisterJobDefinition", f"arn:aws:batch:{account}:job-definition/Other"),
        ("lambda:InvokeFunction", f"arn:aws:lambda:{account}:function:Other"),
        ("sns:Publish", f"arn:aws:sns:{account}:Other"),
        ("sns:Subscribe", policies.arn(production.name_of("AWS::SNS::Topic"))),
        ("dynamodb:UpdateItem", f"{table}-other"),
        ("dynamodb:DeleteItem", table),
        ("dynamodb:GetItem", table),
        ("states:StartExecution", f"{machine}-other"),
        ("s3:GetObject", f"{bucket}/uploads/Project1/lines.txt"),
        ("s3:PutObject", f"{bucket}/result/Project1/Job_Map/{R}/try_1_String_Repeat.json"),
        ("s3:ListBucket", bucket),
        ("events:PutRule", f"arn:aws:events:{account}:rule/Other"),
        ("iam:PassRole", "*"),
        ("kms:Encrypt", policies.arn(production.name_of("AWS::KMS::Key"))),
    ]:
        assert not policies.allows(role, action, resource), (action, resource)


def test_every_action_of_the_role_is_one_of_the_above(policies: Policies, role: str) -> None:
    """A grant that nobody asked for fails here."""
    actions = {action for statement in policies.statements(role) for action in statement["Action"]}
    # What the log's delivery needs is granted by the CDK.
    assert {action for action in actions if not action.startswith("logs:")} == {
        "batch:SubmitJob",
        "batch:DescribeJobs",
        "batch:TerminateJob",
        "batch:TagResource",
        "dynamodb:UpdateItem",
        "events:DescribeRule",
        "events:PutRule",
        "events:PutTargets",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "lambda:InvokeFunction",
        "s3:GetObject",
        "sns:Publish",
        "states:DescribeExecution",
        "states:StartExecution",
        "states:StopExecution",
    }


def test_the_policy_that_names_the_machine_is_not_one_that_the_machine_waits_for(production: Synthesized) -> None:
    policy = production.name_of("AWS::IAM::Policy", "DistributedMap")
    machine = production.name_of("AWS::StepFunctions::StateMachine")
    assert policy not in production.template["Resources"][machine].get("DependsOn", [])
    assert machine in json.dumps(production.resources("AWS::IAM::Policy")[policy])
