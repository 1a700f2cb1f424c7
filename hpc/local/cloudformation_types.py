"""CloudFormation's create, update and delete for the resource types that ministack does not know."""

from __future__ import annotations

import secrets
from typing import Any, Protocol

from hpc.local.batch import BatchError, BatchService
from hpc.local.spelling import batch_request

Handler = dict[str, Any]


class PhysicalName(Protocol):
    """The name that CloudFormation gives to a resource without one."""

    def __call__(self, stack: str, logical_id: str, *, max_len: int) -> str: ...


# Nothing on a laptop would use these: they are accepted, given an id, and shown as recorded only.
RECORDED_ONLY = {
    "AWS::EC2::EIP": "eipalloc",
    "AWS::EC2::NatGateway": "nat",
    "AWS::EC2::FlowLog": "fl",
    "AWS::EC2::SecurityGroupIngress": "sgr",
    "AWS::EC2::SecurityGroupEgress": "sgr",
    "AWS::ApplicationAutoScaling::ScalableTarget": "scalable-target",
    "AWS::ApplicationAutoScaling::ScalingPolicy": "scaling-policy",
}


def batch_types(service: BatchService, physical_name: PhysicalName) -> dict[str, Handler]:
    """Handlers that bring Batch's resources into our Batch service."""
    return {
        "AWS::Batch::ComputeEnvironment": _batch_resource(service, physical_name, "ComputeEnvironment"),
        "AWS::Batch::JobQueue": _batch_resource(service, physical_name, "JobQueue"),
        "AWS::Batch::JobDefinition": _job_definition_resource(service, physical_name),
    }


def recorded_types() -> dict[str, Handler]:
    """Handlers that give an id and do nothing."""
    return {resource_type: _recorded_resource(prefix) for resource_type, prefix in RECORDED_ONLY.items()}


def _recorded_resource(prefix: str) -> Handler:
    def create(_logical_id: str, _properties: dict[str, Any], _stack: str) -> tuple[str, dict[str, str]]:
        physical_id = f"{prefix}-{secrets.token_hex(8)}"
        return physical_id, {"AllocationId": physical_id, "Id": physical_id, "NatGatewayId": physical_id}

    def update(physical_id: str, _old: Any, _new: Any, _stack: str) -> tuple[str, dict[str, str]]:
        return physical_id, {"AllocationId": physical_id, "Id": physical_id, "NatGatewayId": physical_id}

    return {"create": create, "update": update, "delete": lambda _physical_id, _properties: None}


def _batch_resource(service: BatchService, physical_name: PhysicalName, kind: str) -> Handler:
    """CloudFormation's create, update and delete of a compute environment or a job queue."""
    update_key = kind[:1].lower() + kind[1:]
    name_key, arn_key, attribute = f"{update_key}Name", f"{update_key}Arn", f"{kind}Arn"

    def create(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        request = batch_request(properties)
        request.setdefault(name_key, physical_name(stack, logical_id, max_len=128))
        arn = _call(service, f"Create{kind}", request)[arn_key]
        return arn, {attribute: arn}

    def update(physical_id: str, _old: Any, properties: dict[str, Any], _stack: str) -> tuple[str, dict[str, str]]:
        request = batch_request(properties)
        request.pop(name_key, None)
        request.pop("type", None)
        request.pop("tags", None)
        _call(service, f"Update{kind}", request | {update_key: physical_id})
        return physical_id, {attribute: physical_id}

    def delete(physical_id: str, _properties: dict[str, Any]) -> None:
        _call(service, f"Update{kind}", {update_key: physical_id, "state": "DISABLED"})
        _call(service, f"Delete{kind}", {update_key: physical_id})

    return {"create": create, "update": update, "delete": delete}


def _job_definition_resource(service: BatchService, physical_name: PhysicalName) -> Handler:
    """Each change registers a new revision; the old one stays, as `SkipDeregisterOnUpdate` asks."""

    def register(properties: dict[str, Any], name: str) -> tuple[str, dict[str, str]]:
        request = batch_request(properties) | {"jobDefinitionName": name}
        arn = _call(service, "RegisterJobDefinition", request)["jobDefinitionArn"]
        return arn, {"JobDefinitionArn": arn}

    def create(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        name = properties.get("JobDefinitionName") or physical_name(stack, logical_id, max_len=128)
        return register(properties, name)

    def update(physical_id: str, _old: Any, properties: dict[str, Any], _stack: str) -> tuple[str, dict[str, str]]:
        return register(properties, physical_id.rsplit("/", 1)[-1].split(":", maxsplit=1)[0])

    def delete(physical_id: str, _properties: dict[str, Any]) -> None:
        _call(service, "DeregisterJobDefinition", {"jobDefinition": physical_id})

    return {"create": create, "update": update, "delete": delete}


def _call(service: BatchService, action: str, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return service.handle(action, request)
    except BatchError as error:
        raise ValueError(f"{action}: {error}") from error
