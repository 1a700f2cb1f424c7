"""What the whole examination says when AWS does not tell."""

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.stub import Stubber

from hpc.checks.findings import FOUND, OK, UNKNOWN, Finding, Line, lines_of, merged, of_message
from hpc.connection import Connection
from hpc.doctor import examine, has_findings
from hpc.errors import PlatformUnreachable
from hpc.run import Run


@pytest.fixture
def denied():
    """A connection that AWS answers nothing but a refusal."""
    connection = Connection(
        stack_name="Production-test",
        is_laptop=False,
        session=boto3.Session("key", "secret", region_name="us-east-1"),
        config=Config(),
    )

    def refuse(model, **_):
        # HEAD has no body that could say more.
        code = "403" if model.name == "HeadObject" else "AccessDeniedException"
        error = {"Code": code, "Message": "not you"}
        return AWSResponse("https://aws.example", 403, {}, None), {"Error": error}

    for service in ("batch", "ecr", "ec2", "service-quotas", "sns", "s3"):
        connection.client(service).meta.events.register_first("before-call", refuse)
    return connection


def test_what_may_not_be_asked_is_never_well(denied, stack, string_processing):
    lines = examine(denied, stack, [string_processing])
    assert {line.status for line in lines} == {UNKNOWN}
    assert all(line.sentence.endswith(" answered AccessDeniedException: not you") for line in lines)
    assert all(line.fix.startswith("ask for the permission to call ") for line in lines)
    assert not has_findings(lines)


def test_nor_is_a_run(denied, stack, string_processing):
    given = {"ProjectNo": "P", "INPUT_BUCKET": "b", "INPUT_KEY": "k", "OUTPUT_BUCKET": "b", "architecture": "x86"}
    run = Run(run_id="R1", workflow="string_processing", project="P", status="RUNNING", created_at="", parameters=given)
    lines = examine(denied, stack, [string_processing], run)
    assert [line.check for line in lines[:2]] == ["Run", "Input"]
    assert {line.status for line in lines} == {UNKNOWN}
    assert "'s3://b/k': access denied; expected an object that your credentials may read" in lines[1].sentence


def test_memory_and_quotas_as_aws_would_tell_them(connection, stack, string_processing):
    # Given an instance type whose memory a job takes whole, and a quota below the 4 vCPUs of the environment
    size = {"InstanceType": "r6g.nano", "VCpuInfo": {"DefaultVCpus": 2}, "MemoryInfo": {"SizeInMiB": 64}}
    quota = {"Quota": {"QuotaCode": "L-1216C47A", "Value": 2.0}}
    with Stubber(connection.client("ec2")) as ec2, Stubber(connection.client("service-quotas")) as quotas:
        ec2.add_response("describe_instance_types", {"InstanceTypes": [size]})
        quotas.add_response("get_service_quota", quota, {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"})
        lines = examine(connection, stack, [string_processing])
    found = [(line.check, line.sentence) for line in lines if line.status == FOUND]
    # Four jobs on two architectures
    assert [check for check, _ in found] == ["Instances"] * 8 + ["Quotas"]
    assert found[0][1].startswith("Job string_split asks for 1 vCPUs and 64 MiB; the largest instance that the queue ")
    assert found[-1][1].startswith("The account's quota L-1216C47A is 2 on-demand vCPUs at once; expected the 4 that ")


def test_what_was_found_before_a_refusal_stays():
    def look():
        yield Finding("a", "b")
        raise PlatformUnreachable("found c; expected d; do e")

    assert lines_of("X", look, well="well") == [
        Line("X", FOUND, "a", "b"),
        Line("X", FOUND, "found c; expected d", "do e"),
    ]


def test_well_is_said_once_and_only_alone():
    well, found = Line("X", OK, "well"), Line("X", FOUND, "a")
    assert merged([well, well]) == [well]
    assert merged([well, found, well, found]) == [found]


def test_a_message_without_parts_has_no_fix():
    assert of_message("no") == Finding("no", "")
