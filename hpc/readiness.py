"""What is certain before a run starts: that its first jobs would wait for ever."""

from __future__ import annotations

from collections.abc import Iterable

from hpc.checks import environments, sizes
from hpc.checks.compute import FIRST_TRY, Queue, read_queues
from hpc.checks.findings import COULD_NOT_LOOK, Finding
from hpc.checks.sizes import InstanceSize
from hpc.connection import Connection
from hpc.errors import PlatformUnreachable
from hpc.job_definitions import Definitions
from hpc.stack import Stack
from hpc.workflows import Workflow


def check_ready(
    connection: Connection,
    stack: Stack,
    workflow: Workflow,
    architecture: str | None,
    definitions: Definitions,
) -> None:
    """Raises PlatformUnreachable when no compute environment is enabled, or a job is larger than any instance.

    `definitions` are those that the run would have. Only queues of first tries are looked at; without an architecture
    it must be so for all. What may not be asked for (`batch:DescribeJobQueues`, `batch:DescribeComputeEnvironments`,
    `ec2:DescribeInstanceTypes`) is not held against a run: `hpc doctor` says what could not be checked.
    """
    try:
        queues = [queue for queue in read_queues(connection, stack, architecture) if queue.use == FIRST_TRY]
    except COULD_NOT_LOOK:
        return
    _refuse_if_all(environments.find(queue) for queue in queues)
    instances = _instances(connection, queues)
    for job, definition in definitions.items():
        size = sizes.size_of(workflow.name, job, definition)
        _refuse_if_all(sizes.find(size, queue, instances) for queue in queues)


def _instances(connection: Connection, queues: list[Queue]) -> list[InstanceSize]:
    usable = [environment for queue in queues for environment in queue.usable]
    try:
        return sizes.read_instances(connection, usable)
    except COULD_NOT_LOOK:
        return []


def _refuse_if_all(findings: Iterable[Finding | None]) -> None:
    found = list(findings)
    if found and all(found) and found[0] is not None:
        raise PlatformUnreachable(f"{found[0].sentence}; {found[0].fix}")
