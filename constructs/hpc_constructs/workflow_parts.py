"""A workflow folder as frozen data. Imports no CDK."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpc_constructs.key_patterns import ObjectAccess


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a job and a function have in common."""

    name: str
    memory_mib: int
    timeout_s: int
    accesses: tuple[ObjectAccess, ...]


@dataclass(frozen=True, kw_only=True)
class Job(Part):
    """A Batch job: one job definition, run by one or more states."""

    image: str
    command: tuple[str, ...]
    vcpus: int


@dataclass(frozen=True, kw_only=True)
class Function(Part):
    """A Lambda function; `code` is the folder of its module, which has the function's name.

    With `makes_task_rows` it may write into the run table.
    """

    code: Path
    makes_task_rows: bool = False


@dataclass(frozen=True)
class WorkflowFolder:
    """One workflow; `definition` is its state machine as parsed JSON, with `${Placeholders}` in it.

    `described` is what its `workflow.yaml` says, whole: for those who read it while runs go on.
    """

    name: str
    definition: dict[str, Any]
    archived_prefixes: tuple[str, ...]
    intermediate_tag: tuple[str, str] | None
    jobs: tuple[Job, ...]
    functions: tuple[Function, ...]
    machine_accesses: tuple[ObjectAccess, ...]
    described: Mapping[str, Any] = field(default_factory=dict)

    @property
    def accesses(self) -> tuple[ObjectAccess, ...]:
        """All that jobs and functions may do with objects."""
        parts: tuple[Part, ...] = (*self.jobs, *self.functions)
        return tuple(access for part in parts for access in part.accesses)

    @property
    def placeholders(self) -> frozenset[str]:
        """Names of the placeholders in the definition."""
        return frozenset(re.findall(r"\$\{([A-Za-z0-9]+)\}", json.dumps(self.definition)))

    @property
    def calls(self) -> frozenset[str]:
        """The services that the definition calls, such as `lambda:invoke`."""
        return frozenset(re.findall(r'"Resource": "arn:[^"]*:states:::([^"]+)"', json.dumps(self.definition)))

    @property
    def has_distributed_map(self) -> bool:
        """Whether the machine starts executions of itself."""
        return '"Mode": "DISTRIBUTED"' in json.dumps(self.definition)

    def definition_with(self, known: Mapping[str, str | int]) -> Any:
        """The definition with what is known before a deployment in the place of its placeholders.

        A text that is wholly the placeholder of a number becomes the number: CloudFormation substitutes text only,
        and Step Functions refuses "50" where it wants 50.
        """
        return _filled_in(self.definition, known)


def _filled_in(part: Any, known: Mapping[str, str | int]) -> Any:
    if isinstance(part, dict):
        return {key: _filled_in(value, known) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled_in(value, known) for value in part]
    if not isinstance(part, str):
        return part
    for name, value in known.items():
        if part == f"${{{name}}}":
            return value
        part = part.replace(f"${{{name}}}", str(value))
    return part


def largest_job_vcpus(workflows: Iterable[WorkflowFolder]) -> int:
    """vCPUs of the job that needs most; 0 when there is none."""
    return max((job.vcpus for workflow in workflows for job in workflow.jobs), default=0)
