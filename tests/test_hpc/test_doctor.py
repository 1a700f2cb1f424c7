"""What the whole examination says when AWS does not tell."""

import pytest
from botocore.stub import Stubber

from hpc.checks.findings import FOUND, OK, UNKNOWN, Finding, Line, lines_of, merged, of_message
from hpc.doctor import examine, has_findings
from hpc.errors import PlatformUnreachable
from hpc.run import Run
from tests.denied_connection import denied_connection


@pytest.fixture
def denied():
    return denied_connection()


def test_what_may_not_be_asked_is_never_well(denied, stack, string_processing):
    lines = examine(denied, stack, [string_processing])
    assert (lines[-1].check, {line.status for line in lines}) == ("Mail", {UNKNOWN})
    assert all(line.sentence.endswith(" answered AccessDeniedException: not you") for line in lines)
    assert all(line.fix.startswith("ask for the permission to call ") for line in lines)
    assert not has_findings(lines)


def test_nor_is_a_run(denied, stack, string_processing):
    given = {"ProjectNo": "P", "INPUT_BUCKET": "b", "INPUT_KEY": "k", "OUTPUT_BUCKET": "b", "architecture": "x86"}
    run = Run(run_id="R1", workflow="string_processing", project="P", status="RUNNING", created_at="", parameters=given)
    lines = examine(denied, stack, [string_processing], run)
    # Who is told of runs is no business of those who look at one.
    assert "Mail" not in {line.check for line in lines}
    assert [line.check for line in lines[:2]] == ["Run", "Input"]
    assert {line.status for line in lines} == {UNKNOWN}
    assert "'s3://b/k': access denied; expected an object that your credentials may read" in lines[1].sentence


def test_what_there_is_no_time_for_is_not_asked_and_not_called_well(denied, stack, string_processing):
    expected = [line.check for line in examine(denied, stack, [string_processing])]
    lines = examine(denied, stack, [string_processing], limit_s=-1)
    assert [line.check for line in lines] == expected
    assert {(line.status, line.sentence) for line in lines} == {
        (UNKNOWN, "could not be checked: the other checks took all the time that there was")
    }


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
