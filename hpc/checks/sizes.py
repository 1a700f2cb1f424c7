"""Cause: a job asks for more vCPUs or memory than any instance has that it may run on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpc.checks.compute import Environment, Queue
from hpc.checks.findings import CannotTell, Finding
from hpc.connection import Connection

# What the ECS agent keeps of an instance at least; the kernel keeps some more, so what is refused here never fits.
# Source: https://docs.aws.amazon.com/batch/latest/userguide/ecs-reserved-memory.html
RESERVED_MIB = 32


@dataclass(frozen=True)
class JobSize:
    """What one job of a workflow asks for."""

    workflow: str
    job: str
    vcpus: float
    memory_mib: int


@dataclass(frozen=True)
class InstanceSize:
    """An instance type, with all of its memory."""

    name: str
    vcpus: int
    memory_mib: int


def find(size: JobSize, queue: Queue, instances: Sequence[InstanceSize]) -> Finding | None:
    """Why no instance of this queue can ever run the job; without `instances` only the vCPU limits are compared."""
    if any(_fits(size, environment, instances) for environment in queue.usable):
        return None
    most_vcpus = max((environment.max_vcpus for environment in queue.usable), default=0)
    if size.vcpus > most_vcpus:
        setting = f"{queue.architecture}MaxVcpus"
        return Finding(
            f"Job {size.job} asks for {size.vcpus:g} vCPUs; found at most {most_vcpus} in a compute environment of the "
            f"queue {queue.name} ({queue.label}); expected that many or more, it would never start",
            f"lower vcpus of {size.job} in workflows/{size.workflow}/workflow.yaml, or raise the setting {setting}, "
            "and deploy again",
        )
    names = [name for environment in queue.usable for name in environment.instance_types]
    allowed = [each for each in instances if is_among(each.name, names)]
    largest = max(allowed, key=lambda each: (each.memory_mib, each.vcpus))
    return Finding(
        f"Job {size.job} asks for {size.vcpus:g} vCPUs and {size.memory_mib} MiB; the largest instance that the queue "
        f"{queue.name} ({queue.label}) may start is {largest.name} with {largest.vcpus} vCPUs and {largest.memory_mib} "
        f"MiB, of which it keeps {RESERVED_MIB} MiB or more to itself; expected one that has room, the job would "
        "never start",
        f"lower vcpus or memory_mib of {size.job} in workflows/{size.workflow}/workflow.yaml, or name larger instances "
        f"in the setting {queue.architecture}InstanceFamilies, and deploy again",
    )


def is_among(instance_type: str, allowed: Iterable[str]) -> bool:
    """Whether an instance type is named by a list of types and families.

    >>> is_among("r6g.large", ["r6g"]), is_among("r6gd.large", ["r6g"]), is_among("r5.large", ["r5.large"])
    (True, False, True)
    """
    return any(instance_type == name or instance_type.startswith(f"{name}.") for name in allowed)


def _fits(size: JobSize, environment: Environment, instances: Sequence[InstanceSize]) -> bool:
    if size.vcpus > environment.max_vcpus:
        return False
    allowed = [each for each in instances if is_among(each.name, environment.instance_types)]
    return not allowed or any(
        each.vcpus >= size.vcpus and each.memory_mib - RESERVED_MIB >= size.memory_mib for each in allowed
    )


def size_of(workflow: str, job: str, definition: Mapping[str, Any]) -> JobSize:
    """From a job definition as DescribeJobDefinitions shows it."""
    vcpus, memory_mib = asked_for(definition.get("containerProperties") or {})
    return JobSize(workflow=workflow, job=job, vcpus=vcpus, memory_mib=memory_mib)


def asked_for(container: Mapping[str, Any]) -> tuple[float, int]:
    """vCPUs and MiB of memory that a container asks for, in either way of naming them."""
    asked = {each["type"]: each["value"] for each in container.get("resourceRequirements") or []}
    return (
        float(asked.get("VCPU") or container.get("vcpus") or 0),
        int(asked.get("MEMORY") or container.get("memory") or 0),
    )


def read_instances(connection: Connection, environments: Iterable[Environment]) -> list[InstanceSize]:
    """The instance types that environments name; raises CannotTell for names that EC2 describes no type of."""
    names = sorted({name for environment in environments for name in environment.instance_types})
    values = [name if "." in name else f"{name}.*" for name in names]
    pages = (
        connection.client("ec2")
        .get_paginator("describe_instance_types")
        .paginate(Filters=[{"Name": "instance-type", "Values": values}])
    )
    described = [each for page in pages for each in page["InstanceTypes"]]
    found = [
        InstanceSize(each["InstanceType"], each["VCpuInfo"]["DefaultVCpus"], each["MemoryInfo"]["SizeInMiB"])
        for each in described
        # The laptop's emulator tells of other types than those that were asked for.
        if is_among(each["InstanceType"], names)
    ]
    untold = [name for name in names if not any(is_among(each.name, [name]) for each in found)]
    if untold:
        raise CannotTell(f"EC2 describes no instance type of {', '.join(untold)}")
    return found
