"""What the API may do with runs: what its calls need, and no more."""

import json
from pathlib import Path
from typing import Any

import pytest

from hpc.checks.quotas import CODES
from tests.policies import ACCOUNT, REGION, Policies
from tests.synthesis import ROOT, Synthesized, synthesize

ARN = f"arn:aws:{{}}:{REGION}:{ACCOUNT}:"
LOGS = ARN.format("logs") + "log-group:/aws/batch/"


@pytest.fixture(scope="module")
def policies(production: Synthesized) -> Policies:
    return Policies(production.template)


def statements(assembly: Synthesized) -> list[dict[str, Any]]:
    """Those of all the policies, resolved."""
    policies = Policies(assembly.template)
    return [each for policy in assembly.resources("AWS::IAM::ManagedPolicy") for each in policies.statements(policy)]


IMAGES = {f"{ARN.format('ecr')}repository/batch_abc/string_{name}" for name in ("split", "repeat", "reverse", "merge")}
ALLOWED = {
    "dynamodb:GetItem": {"{table}"},
    "dynamodb:PutItem": {"{table}"},
    "dynamodb:UpdateItem": {"{table}"},
    "dynamodb:Query": {"{table}", "{table}/index/RunsByTime"},
    "cloudformation:DescribeStacks": {ARN.format("cloudformation") + "stack/Production-abc/*"},
    "states:StartExecution": {ARN.format("states") + "stateMachine:{machine}"},
    "states:DescribeStateMachine": {ARN.format("states") + "stateMachine:{machine}"},
    "states:DescribeExecution": {ARN.format("states") + "execution:{machine}:*"},
    "states:StopExecution": {ARN.format("states") + "execution:{machine}:*"},
    "states:ListMapRuns": {ARN.format("states") + "execution:{machine}:*"},
    "states:DescribeMapRun": {ARN.format("states") + "mapRun:{machine}/*"},
    "batch:ListJobs": {"*"},
    "batch:DescribeJobs": {"*"},
    "batch:DescribeJobDefinitions": {"*"},
    "batch:DescribeJobQueues": {"*"},
    "batch:DescribeComputeEnvironments": {"*"},
    "ec2:DescribeInstanceTypes": {"*"},
    "ec2:DescribeSpotPriceHistory": {"*"},
    "ec2:DescribeSubnets": {"*"},
    "ec2:DescribeRouteTables": {"*"},
    "ec2:DescribeVpcEndpoints": {"*"},
    "servicequotas:GetServiceQuota": {f"{ARN.format('servicequotas')}ec2/{code}" for code, _ in CODES.values()},
    "servicequotas:GetAWSDefaultServiceQuota": {"*"},
    "batch:TerminateJob": {ARN.format("batch") + "job/*"},
    "ecr:DescribeImages": IMAGES,
    "ecr:BatchGetImage": IMAGES,
    "ecr:GetDownloadUrlForLayer": IMAGES,
    "logs:GetLogEvents": {f"{LOGS}Production-abc/string_processing{part}" for part in ("", ":log-stream:*")},
    "s3:GetObject": {
        "{bucket}/uploads/*",
        "{bucket}/source/*",
        "{bucket}/result/*/records/*",
        "{bucket}/result/*/Job_Map/*",
        "{bucket}/result/*/String_Repeat_Merge/repeat_*_merge",
        "{bucket}/result/*/String_Reverse_Merge/reverse_*_merge",
    },
    "s3:PutObject": {"{bucket}/uploads/*"},
    "s3:ListBucket": {"{bucket}"},
}


def test_exactly_what_calls_need_is_allowed(production: Synthesized, policies: Policies) -> None:
    allowed: dict[str, set[str]] = {}
    for statement in statements(production):
        assert (statement["Effect"], "Condition" in statement) == ("Allow", False)
        for action in statement["Action"]:
            allowed.setdefault(action, set()).update(statement["Resource"])
    assert allowed == {
        action: {filled_in(production, policies, resource) for resource in resources}
        for action, resources in ALLOWED.items()
    }


def filled_in(production: Synthesized, policies: Policies, resource: str) -> str:
    return resource.format(
        table=policies.arn(production.name_of("AWS::DynamoDB::Table")),
        bucket=policies.arn(production.name_of("AWS::S3::Bucket", "DataBucket")),
        machine=production.name_of("AWS::StepFunctions::StateMachine"),
    )


def test_other_buckets_are_read_as_far_as_jobs_may_and_never_written():
    assembly = synthesize(inputBuckets="genomes:raw/*", outputBuckets="shared:result/P1/*")
    policies, policy = Policies(assembly.template), assembly.name_of("AWS::IAM::ManagedPolicy", "Objects")
    assert policies.allows(policy, "s3:GetObject", "arn:aws:s3:::genomes/raw/a")
    assert not policies.allows(policy, "s3:GetObject", "arn:aws:s3:::genomes/other/a")
    assert policies.allows(policy, "s3:GetObject", "arn:aws:s3:::shared/result/P1/String_Repeat_Merge/repeat_a_merge")
    assert not policies.allows(
        policy, "s3:GetObject", "arn:aws:s3:::shared/result/P2/String_Repeat_Merge/repeat_a_merge"
    )
    for other in ("genomes/raw/a", "shared/result/P1/x"):
        assert not policies.allows(policy, "s3:PutObject", f"arn:aws:s3:::{other}")


PREFIXES = ("string", "second", "third", "fourth", "fifth", "sixth")


def other_workflow(folder: Path, prefix: str) -> None:
    """A workflow with states, jobs, images and outputs of its own, made of the one that there is."""
    own = folder / f"{prefix}_processing"
    own.mkdir()
    for name in ("workflow.yaml", "definition.asl.json"):
        text = (ROOT / "workflows" / "string_processing" / name).read_text("utf-8")
        own_text = text.replace("string_", f"{prefix}_").replace("String_", f"{prefix.capitalize()}_")
        (own / name).write_text(own_text.replace("String", prefix.capitalize()), "utf-8")


def characters_at_most(assembly: Synthesized, policy: str) -> int:
    """What IAM counts of a policy, with the longest names that CloudFormation could give."""
    found = list(Policies(assembly.template).statements(policy))
    text = json.dumps({"Version": "2012-10-17", "Statement": found}, separators=(",", ":"))
    kinds = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::StepFunctions::StateMachine")
    named = sum(text.lower().count(name.lower()) for kind in kinds for name in assembly.resources(kind))
    # `<stack>-<logical id>-<12 characters>`; a user's name of 20 characters; us-gov-west-1 in aws-us-gov.
    more_user, more_region = 20 - len("abc"), len("us-gov-west-1") - len(REGION) + len("-us-gov")
    stacks = named + text.count("Production-abc") + text.count("batch_abc")
    return len(text) + named * (len("Production-abc-") + 13) + stacks * more_user + text.count("arn:aws:") * more_region


def test_iam_takes_each_policy_with_six_workflows(tmp_path: Path) -> None:
    """6,144 characters without white space. Source:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    for prefix in PREFIXES:
        other_workflow(tmp_path, prefix)
    buckets = {"inputBuckets": "genomes:raw/*;archive:2024/*,2025/*", "outputBuckets": "shared-results:result/*"}
    assembly = synthesize(workflowsDirectory=str(tmp_path), **buckets)
    assert len(assembly.resources("AWS::StepFunctions::StateMachine")) == len(PREFIXES) == 6
    sizes = {name: characters_at_most(assembly, name) for name in assembly.resources("AWS::IAM::ManagedPolicy")}
    assert len(sizes) == 3
    assert {name: size for name, size in sizes.items() if not 1000 < size <= 6144} == {}
