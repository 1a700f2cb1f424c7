"""Queues and their compute environments, as Batch describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hpc.connection import Connection
from hpc.stack import Stack

# An environment that is being updated goes on. Source:
# https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeEnvironmentDetail.html
_WORKING = frozenset({"VALID", "UPDATING"})
FIRST_TRY = "first_try"
# The state of a queue that the stack names and Batch does not know.
DELETED = "DELETED"


@dataclass(frozen=True)
class Environment:
    """A compute environment; `kind` is EC2 or SPOT, `instance_types` may be families."""

    name: str
    kind: str
    state: str
    status: str
    status_reason: str
    max_vcpus: int
    instance_types: tuple[str, ...]
    subnets: tuple[str, ...]

    @property
    def is_working(self) -> bool:
        return self.status in _WORKING

    @property
    def is_usable(self) -> bool:
        return self.state == "ENABLED" and self.is_working


@dataclass(frozen=True)
class Queue:
    """A job queue of the stack, for an architecture and a try, with its environments in their order."""

    name: str
    architecture: str
    use: str
    state: str
    environments: tuple[Environment, ...]

    @property
    def label(self) -> str:
        """How people know it: the names of queues end in letters by chance."""
        return f"{self.architecture}, {self.use.replace('_', ' ')}"

    @property
    def usable(self) -> tuple[Environment, ...]:
        """The environments that run jobs; all of them when none does, which is a finding of its own."""
        return tuple(each for each in self.environments if each.is_usable) or self.environments


def read_queues(connection: Connection, stack: Stack, architecture: str | None = None) -> list[Queue]:
    """The stack's queues, of one architecture or of all; asks DescribeJobQueues and DescribeComputeEnvironments."""
    batch = connection.client("batch")
    chosen = {name: arns for name, arns in stack.job_queues.items() if name == architecture} or stack.job_queues
    arns = [arn for uses in chosen.values() for arn in uses.values()]
    described = {queue["jobQueueArn"]: queue for queue in batch.describe_job_queues(jobQueues=arns)["jobQueues"]}
    wanted = {arn for queue in described.values() for arn in _environment_arns(queue)}
    found = (
        batch.describe_compute_environments(computeEnvironments=sorted(wanted))["computeEnvironments"] if wanted else []
    )
    environments = {each["computeEnvironmentArn"]: environment_of(each) for each in found}
    return [
        Queue(
            name=arn.rpartition("/")[2],
            architecture=name,
            use=use,
            state=described[arn]["state"] if arn in described else DELETED,
            environments=tuple(
                environments[each] for each in _environment_arns(described.get(arn, {})) if each in environments
            ),
        )
        for name, uses in chosen.items()
        for use, arn in uses.items()
    ]


def environment_of(described: Mapping[str, Any]) -> Environment:
    """One of DescribeComputeEnvironments' answer."""
    resources = described.get("computeResources") or {}
    return Environment(
        name=described["computeEnvironmentName"],
        kind=resources.get("type", "EC2"),
        state=described.get("state", "ENABLED"),
        status=described.get("status", "VALID"),
        status_reason=described.get("statusReason") or "",
        max_vcpus=int(resources.get("maxvCpus", 0)),
        instance_types=tuple(resources.get("instanceTypes") or ()),
        subnets=tuple(resources.get("subnets") or ()),
    )


def distinct(queues: list[Queue]) -> list[Environment]:
    """The environments of all these queues, each once."""
    return list({each.name: each for queue in queues for each in queue.environments}.values())


def _environment_arns(queue: Mapping[str, Any]) -> list[str]:
    entries = sorted(queue.get("computeEnvironmentOrder") or [], key=lambda entry: int(entry["order"]))
    return [entry["computeEnvironment"] for entry in entries]
