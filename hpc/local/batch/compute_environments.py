"""Compute environments: what the templates say of instances is recorded; `maxvCpus` and `state` have their effect."""

import uuid
from typing import Any

from hpc.local.batch.arns import Arns
from hpc.local.batch.errors import client_error, unsupported
from hpc.local.batch.support import check_fields
from hpc.local.batch.values import choice, copied, integer, new_name, page, required_text, tags

Record = dict[str, Any]

KIND = "compute-environment"
_STATES = ("ENABLED", "DISABLED")
_TYPES = ("EC2", "SPOT", "FARGATE", "FARGATE_SPOT")


class ComputeEnvironments:
    """The records of all compute environments in the shape of DescribeComputeEnvironments, by ARN."""

    def __init__(self, arns: Arns) -> None:
        self._arns = arns
        self.records: dict[str, Record] = {}

    def create(self, request: Record) -> Record:
        """CreateComputeEnvironment; VALID at once, since nothing has to start."""
        check_fields("CreateComputeEnvironment", request)
        name = new_name(request, "computeEnvironmentName")
        arn = self._arns.batch(KIND, name)
        if arn in self.records:
            raise client_error(f"Object already exists: {name}")
        if choice(request.get("type"), "type", ("MANAGED", "UNMANAGED")) == "UNMANAGED":
            raise unsupported("type UNMANAGED")
        resources = self._resources(request.get("computeResources"), {"minvCpus": 0, "desiredvCpus": 0})
        self.records[arn] = {
            "computeEnvironmentName": name,
            "computeEnvironmentArn": arn,
            "ecsClusterArn": self._arns.ecs("cluster", f"AWSBatch-{name}"),
            "type": "MANAGED",
            "state": choice(request.get("state") or "ENABLED", "state", _STATES),
            "status": "VALID",
            "statusReason": "ComputeEnvironment Healthy",
            "computeResources": resources,
            "serviceRole": request.get("serviceRole") or "",
            "tags": tags(request.get("tags")),
            "containerOrchestrationType": "ECS",
            "uuid": str(uuid.uuid4()),
            **{key: copied(request[key]) for key in ("updatePolicy", "context", "ecsSettings") if request.get(key)},
        }
        return {"computeEnvironmentName": name, "computeEnvironmentArn": arn}

    def update(self, request: Record) -> Record:
        """UpdateComputeEnvironment; running jobs go on."""
        check_fields("UpdateComputeEnvironment", request)
        record = self.find(required_text(request, "computeEnvironment"))
        kept = ("serviceRole", "updatePolicy", "context", "ecsSettings")
        changes = {key: copied(request[key]) for key in kept if request.get(key)}
        if request.get("computeResources"):
            changes["computeResources"] = self._resources(request["computeResources"], record["computeResources"])
        if request.get("state"):
            changes["state"] = choice(request["state"], "state", _STATES)
        record.update(changes)
        return {key: record[key] for key in ("computeEnvironmentName", "computeEnvironmentArn")}

    def describe(self, request: Record) -> Record:
        """DescribeComputeEnvironments; what does not exist is left out."""
        references = request.get("computeEnvironments") or []
        wanted = [self.arn(reference) for reference in references] or list(self.records)
        found, rest = page([self.records[arn] for arn in wanted if arn in self.records], request)
        return {"computeEnvironments": copied(found), **rest}

    def delete(self, reference: str, *, in_use: bool) -> Record:
        """DeleteComputeEnvironment: only a disabled one without a job queue, as on AWS; an unknown one is gone."""
        record = self.records.get(self.arn(reference))
        if record is None:
            return {}
        if record["state"] != "DISABLED":
            raise client_error("Cannot delete, compute environment must be disabled")
        if in_use:
            raise client_error("Cannot delete, found existing JobQueue relationship")
        del self.records[record["computeEnvironmentArn"]]
        return {}

    def find(self, reference: str) -> Record:
        """The record of a name or ARN; raises BatchError (ClientException) when there is none."""
        record = self.records.get(self.arn(reference))
        if record is None:
            raise client_error(f"Compute environment {reference} not found.")
        return record

    def arn(self, reference: str) -> str:
        """The ARN that a name or ARN stands for, whether it exists or not."""
        return self._arns.batch(KIND, self._arns.name(KIND, reference))

    def _resources(self, value: Any, defaults: Record) -> Record:
        if not isinstance(value, dict):
            raise client_error("computeResources is required for a MANAGED compute environment.")
        check_fields("computeResources", value, path="computeResources.")
        resources = {**defaults, **copied(value)}
        choice(resources.get("type"), "computeResources.type", _TYPES)
        for key in ("minvCpus", "maxvCpus", "desiredvCpus"):
            lowest = 1 if key == "maxvCpus" else 0
            resources[key] = integer(resources.get(key), f"computeResources.{key}", minimum=lowest, maximum=10**6)
        return resources
