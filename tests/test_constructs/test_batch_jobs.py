"""Our own rules for job definitions."""

from typing import Any

import pytest

from tests.policies import Policies
from tests.synthesis import Synthesized

DEFINITION = "AWS::Batch::JobDefinition"


@pytest.fixture(params=["StringSplit", "StringRepeat", "StringReverse", "StringMerge"])
def part(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def definition(production: Synthesized, part: str) -> dict[str, Any]:
    return production.one(DEFINITION, f"{part}Definition")


def test_one_definition_a_job(production: Synthesized) -> None:
    assert len(production.resources(DEFINITION)) == 4


def test_what_workflow_yaml_declares(production: Synthesized) -> None:
    split = production.one(DEFINITION, "StringSplit")
    container = split["ContainerProperties"]
    assert container["Command"] == ["python", "-m", "string_split"]
    assert {entry["Type"]: entry["Value"] for entry in container["ResourceRequirements"]} == {
        "VCPU": "1",
        "MEMORY": "2048",
    }
    assert split["Timeout"] == {"AttemptDurationSeconds": 21_600}


def test_image_and_the_image_that_the_job_is_told_are_the_same(
    production: Synthesized, definition: dict[str, Any]
) -> None:
    container = definition["ContainerProperties"]
    environment = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
    assert environment.pop("IMAGE") == container["Image"]
    image = Policies(production.template).resolve(container["Image"])
    job = container["Command"][-1]
    assert image == f"123456789012.dkr.ecr.us-east-1.amazonaws.com/batch_abc/{job}:latest"
    assert environment == {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}


def test_batch_retries_what_is_no_fault_of_the_job_and_nothing_else(definition: dict[str, Any]) -> None:
    retry = definition["RetryStrategy"]
    assert 1 < retry["Attempts"] <= 10
    conditions = retry["EvaluateOnExit"]
    assert len(conditions) <= 5
    assert conditions[0] == {"Action": "RETRY", "OnStatusReason": "Host EC2*"}
    assert {"Action": "RETRY", "OnReason": "CannotPullContainerError*"} in conditions
    assert conditions[-1] == {"Action": "EXIT", "OnReason": "*"}
    assert [each["Action"] for each in conditions].count("EXIT") == 1
    assert not any("OnExitCode" in each for each in conditions)


def test_a_timeout_everywhere(definition: dict[str, Any]) -> None:
    assert definition["Timeout"]["AttemptDurationSeconds"] >= 60


def test_old_revisions_stay_valid_for_running_executions(definition: dict[str, Any]) -> None:
    assert definition["ResourceRetentionPolicy"] == {"SkipDeregisterOnUpdate": True}
    assert "JobDefinitionName" not in definition


def test_unprivileged_on_a_read_only_root(definition: dict[str, Any]) -> None:
    container = definition["ContainerProperties"]
    assert container["Privileged"] is False
    assert container["ReadonlyRootFilesystem"] is True
    assert container["User"].split(":")[0] not in ("0", "root")
    assert container["LinuxParameters"]["Tmpfs"] == [
        {"ContainerPath": "/tmp", "Size": 64, "MountOptions": ["noexec", "nosuid", "nodev"]}
    ]
    assert "Volumes" not in container or container["Volumes"] == []


def test_either_architecture_by_its_queue(definition: dict[str, Any]) -> None:
    assert definition["PlatformCapabilities"] == ["EC2"]
    assert "RuntimePlatform" not in definition["ContainerProperties"]


def test_tags_reach_the_ecs_task(definition: dict[str, Any]) -> None:
    assert definition["PropagateTags"] is True


def test_logs_go_to_a_group_of_the_workflow_with_retention(production: Synthesized, definition: dict[str, Any]) -> None:
    logging = definition["ContainerProperties"]["LogConfiguration"]
    group = production.resources("AWS::Logs::LogGroup")[logging["Options"]["awslogs-group"]["Ref"]]
    assert logging["LogDriver"] == "awslogs"
    assert group == {"LogGroupName": "/aws/batch/Production-abc/string_processing", "RetentionInDays": 90}
    # Without a prefix, streams are named `<job definition>/default/<task>`, on AWS as on the laptop.
    assert "awslogs-stream-prefix" not in logging["Options"]


def test_the_execution_role_pulls_from_one_repository_and_writes_one_log(production: Synthesized, part: str) -> None:
    policies = Policies(production.template)
    role = production.name_of("AWS::IAM::Role", f"{part}ExecutionRole")
    own = policies.arn(production.name_of("AWS::ECR::Repository", part))
    group = policies.arn(production.name_of("AWS::Logs::LogGroup", "JobsLogs"))
    other = policies.arn(next(name for name in production.resources("AWS::ECR::Repository") if part not in name))
    assert policies.allows(role, "ecr:BatchGetImage", own)
    assert policies.allows(role, "ecr:GetDownloadUrlForLayer", own)
    assert policies.allows(role, "ecr:GetAuthorizationToken", "*")
    assert policies.allows(role, "logs:PutLogEvents", group)
    assert not policies.allows(role, "ecr:BatchGetImage", other)
    assert not policies.allows(role, "ecr:PutImage", own)
    assert not policies.allows(role, "logs:PutLogEvents", group.replace("string_processing", "other"))
    assert not policies.allows(role, "s3:GetObject", "arn:aws:s3:::databucket/uploads/lines.txt")
