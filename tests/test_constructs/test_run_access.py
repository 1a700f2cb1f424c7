"""What the API may do with runs: what its calls need, and no more."""

import json

import pytest

from tests.policies import ACCOUNT, REGION, Policies
from tests.synthesis import Synthesized, synthesize

ARN = f"arn:aws:{{}}:{REGION}:{ACCOUNT}:"
LOGS = ARN.format("logs") + "log-group:/aws/batch/"


@pytest.fixture(scope="module")
def policies(production: Synthesized) -> Policies:
    return Policies(production.template)


@pytest.fixture(scope="module")
def policy(production: Synthesized) -> str:
    return production.name_of("AWS::IAM::ManagedPolicy")


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("dynamodb:PutItem", "{table}"),
        ("dynamodb:Query", "{table}/index/RunsByTime"),
        ("states:StartExecution", ARN.format("states") + "stateMachine:{machine}"),
        ("batch:ListJobs", "*"),
        ("batch:DescribeComputeEnvironments", "*"),
        ("batch:DescribeJobQueues", "*"),
        ("ec2:DescribeInstanceTypes", "*"),
        ("batch:TerminateJob", ARN.format("batch") + "job/0123"),
        (
            "logs:GetLogEvents",
            LOGS + "Production-abc/string_processing:log-stream:x",
        ),
        ("cloudformation:DescribeStacks", ARN.format("cloudformation") + "stack/Production-abc/0123"),
        ("s3:GetObject", "{bucket}/uploads/P1/x/lines.txt"),
        ("s3:GetObject", "{bucket}/source/lines.txt"),
        ("s3:GetObject", "{bucket}/result/P1/records/R1/String_Split.json"),
        ("s3:GetObject", "{bucket}/result/P1/String_Repeat_Merge/repeat_lines.txt_merge"),
        ("s3:PutObject", "{bucket}/uploads/P1/x/lines.txt"),
        ("s3:ListBucket", "{bucket}"),
    ],
)
def test_what_calls_need(production, policies, policy, action, resource):
    assert policies.allows(policy, action, filled_in(production, policies, resource))


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("dynamodb:DeleteItem", "{table}"),
        ("dynamodb:Scan", "{table}"),
        ("dynamodb:GetItem", ARN.format("dynamodb") + "table/Other"),
        ("states:StartExecution", ARN.format("states") + "stateMachine:Other"),
        ("states:StopExecution", ARN.format("states") + "execution:Other:R1-1"),
        ("batch:SubmitJob", "*"),
        (
            "logs:GetLogEvents",
            LOGS + "Production-xyz/string_processing:log-stream:x",
        ),
        ("s3:GetObject", "{bucket}/result/P1/String_Split/lines.txt_00000"),
        ("s3:GetObject", "{bucket}/anything"),
        ("s3:GetObject", "arn:aws:s3:::other/uploads/x"),
        ("s3:PutObject", "{bucket}/result/P1/x"),
        ("s3:PutObject", "{bucket}/source/x"),
        ("s3:DeleteObject", "{bucket}/uploads/x"),
        ("iam:PassRole", "*"),
        ("lambda:InvokeFunction", "*"),
    ],
)
def test_what_no_call_needs(production, policies, policy, action, resource):
    assert not policies.allows(policy, action, filled_in(production, policies, resource))


def filled_in(production: Synthesized, policies: Policies, resource: str) -> str:
    return resource.format(
        table=policies.arn(production.name_of("AWS::DynamoDB::Table")),
        bucket=policies.arn(production.name_of("AWS::S3::Bucket", "DataBucket")),
        machine=production.name_of("AWS::StepFunctions::StateMachine"),
    )


def test_other_buckets_are_read_as_far_as_jobs_may_and_never_written():
    assembly = synthesize(inputBuckets="genomes:raw/*", outputBuckets="shared:result/P1/*")
    policies, policy = Policies(assembly.template), assembly.name_of("AWS::IAM::ManagedPolicy")
    assert policies.allows(policy, "s3:GetObject", "arn:aws:s3:::genomes/raw/a")
    assert not policies.allows(policy, "s3:GetObject", "arn:aws:s3:::genomes/other/a")
    assert policies.allows(policy, "s3:GetObject", "arn:aws:s3:::shared/result/P1/String_Repeat_Merge/repeat_a_merge")
    assert not policies.allows(
        policy, "s3:GetObject", "arn:aws:s3:::shared/result/P2/String_Repeat_Merge/repeat_a_merge"
    )
    for other in ("genomes/raw/a", "shared/result/P1/x"):
        assert not policies.allows(policy, "s3:PutObject", f"arn:aws:s3:::{other}")


def test_it_fits_into_one_managed_policy(production: Synthesized, policies: Policies, policy: str) -> None:
    """6,144 characters without white space. Source:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
    statements = list(policies.statements(policy))
    assert len(json.dumps(statements, separators=(",", ":"))) < 6144
