"""Job definitions: numbered revisions of a name; a deregistered one stays readable and takes no more jobs."""

from typing import Any

from hpc.local.batch import resources
from hpc.local.batch.arns import Arns
from hpc.local.batch.errors import client_error, unsupported
from hpc.local.batch.retry import RetryStrategy
from hpc.local.batch.support import check_container, check_fields
from hpc.local.batch.values import (
    boolean,
    choice,
    copied,
    environment,
    integer,
    new_name,
    page,
    required_text,
    tags,
    text_list,
    text_map,
)

Record = dict[str, Any]

KIND = "job-definition"
#: Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_JobTimeout.html
_MIN_TIMEOUT_S = 60
_LISTS = ("volumes", "environment", "mountPoints", "ulimits", "resourceRequirements", "secrets")


class JobDefinitions:
    """The records of all revisions in the shape of DescribeJobDefinitions, by name and revision."""

    def __init__(self, arns: Arns) -> None:
        self._arns = arns
        self.revisions: dict[str, list[Record]] = {}

    def register(self, request: Record) -> Record:
        """RegisterJobDefinition: the next revision of the name."""
        check_fields("RegisterJobDefinition", request)
        name = new_name(request, "jobDefinitionName")
        if choice(request.get("type"), "type", ("container", "multinode")) == "multinode":
            raise unsupported("type multinode")
        platforms = text_list(request.get("platformCapabilities"), "platformCapabilities") or ["EC2"]
        if platforms not in (["EC2"], ["FARGATE"]):
            raise unsupported(f"platformCapabilities {', '.join(platforms)}")
        record: Record = {
            "jobDefinitionName": name,
            "status": "ACTIVE",
            "type": "container",
            "parameters": text_map(request.get("parameters"), "parameters"),
            "containerProperties": _container(request.get("containerProperties"), fargate=platforms == ["FARGATE"]),
            "platformCapabilities": platforms,
            "containerOrchestrationType": "ECS",
            "tags": tags(request.get("tags")),
        }
        if request.get("retryStrategy"):
            RetryStrategy.parse(request["retryStrategy"])
            record["retryStrategy"] = copied(request["retryStrategy"])
        if request.get("timeout"):
            record["timeout"] = {"attemptDurationSeconds": timeout_s(request["timeout"])}
        if request.get("propagateTags") is not None:
            record["propagateTags"] = boolean(request["propagateTags"], "propagateTags")
        revisions = self.revisions.setdefault(name, [])
        record["revision"] = len(revisions) + 1
        record["jobDefinitionArn"] = self._arns.batch(KIND, f"{name}:{record['revision']}")
        revisions.append(record)
        return {key: record[key] for key in ("jobDefinitionName", "jobDefinitionArn", "revision")}

    def describe(self, request: Record) -> Record:
        """DescribeJobDefinitions by ARNs (or name:revision), by name or all; newest revision of a name first."""
        if request.get("jobDefinitions"):
            candidates = [self._revision(reference) for reference in request["jobDefinitions"]]
            found = [record for record in candidates if record is not None]
        else:
            name = request.get("jobDefinitionName")
            names = [self._arns.name(KIND, name)] if name else sorted(self.revisions)
            found = [record for name in names for record in reversed(self.revisions.get(name, []))]
        status = request.get("status")
        records, rest = page([record for record in found if status in (None, record["status"])], request)
        return {"jobDefinitions": copied(records), **rest}

    def deregister(self, request: Record) -> Record:
        """DeregisterJobDefinition; the revision number is never used again."""
        reference = required_text(request, "jobDefinition")
        record = self._revision(reference)
        if record is None:
            raise client_error(f"JobDefinition {reference} not found: name and revision, or its ARN, are required.")
        record["status"] = "INACTIVE"
        return {}

    def for_submission(self, reference: str) -> Record:
        """The record that a name (its newest active revision), name:revision or ARN stands for, if ACTIVE."""
        name = self._arns.name(KIND, reference)
        active = [record for record in self.revisions.get(name, []) if record["status"] == "ACTIVE"]
        record = active[-1] if active else self._revision(reference)
        if record is None or record["status"] != "ACTIVE":
            raise client_error(f"JobDefinition name {reference} does not exist or is not in ACTIVE status")
        return record

    def find(self, arn: str) -> Record | None:
        """The revision with this ARN."""
        return self._revision(arn)

    def _revision(self, reference: str) -> Record | None:
        name, _, number = self._arns.name(KIND, reference).partition(":")
        revisions = self.revisions.get(name, [])
        return revisions[int(number) - 1] if number.isdecimal() and 1 <= int(number) <= len(revisions) else None


def timeout_s(value: Any) -> int:
    """`attemptDurationSeconds`: seconds from the attempt's start, at least 60."""
    return integer(
        value.get("attemptDurationSeconds"), "timeout.attemptDurationSeconds", minimum=_MIN_TIMEOUT_S, maximum=10**9
    )


def _container(value: Any, *, fargate: bool) -> Record:
    if not isinstance(value, dict):
        raise client_error("containerProperties is required.")
    check_container(value)
    required_text(value, "image")
    text_list(value.get("command"), "containerProperties.command")
    environment(value.get("environment"), "containerProperties.environment")
    resources.parse(resources.requirements(value, {}), fargate=fargate)
    return {**{field: [] for field in _LISTS}, **copied(value)}
