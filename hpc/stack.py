"""What a deployed stack tells about itself: its CloudFormation outputs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from hpc.connection import Connection, error_code
from hpc.errors import PlatformUnreachable, WrongInput
from hpc.workflows import Workflow


@dataclass(frozen=True)
class AllowedKeys:
    """A bucket that jobs may use, and patterns of the keys in it; `*` stands for any characters, as in IAM."""

    bucket: str
    keys: tuple[str, ...]

    def allows(self, key: str) -> bool:
        return any(_matches(pattern, key) for pattern in self.keys)

    def __str__(self) -> str:
        return f"{self.bucket} ({', '.join(self.keys)})"


@dataclass(frozen=True)
class Stack:
    """The outputs of `Production-<user>`; ARNs by workflow, then by job; queues by architecture, then by try."""

    name: str
    bucket: str
    run_table: str
    state_machines: Mapping[str, str]
    job_definitions: Mapping[str, Mapping[str, str]]
    job_queues: Mapping[str, Mapping[str, str]]
    allowed_inputs: tuple[AllowedKeys, ...]
    allowed_outputs: tuple[AllowedKeys, ...]
    notification_topic: str
    root_volume_gib: int

    def state_machine(self, workflow: str) -> str:
        """The workflow's state machine; raises PlatformUnreachable when the stack was deployed without it."""
        if workflow not in self.state_machines:
            raise PlatformUnreachable(
                f"Stack {self.name}: found the workflows {', '.join(sorted(self.state_machines)) or '(none)'}; "
                f"expected {workflow}; deploy again: hpc up, or on AWS cdk deploy {self.name}"
            )
        return self.state_machines[workflow]

    def queues(self, architecture: str | None) -> list[str]:
        """The queues that a run's jobs may be in; all of them when the run names no architecture."""
        chosen = [queues for name, queues in self.job_queues.items() if name == architecture]
        return sorted({arn for queues in chosen or self.job_queues.values() for arn in queues.values()})


def describe(connection: Connection) -> Stack:
    """Asks CloudFormation; raises PlatformUnreachable when there is no such stack, or one of another kind."""
    name = connection.stack_name
    advice = "deploy it: hpc up" if connection.is_laptop else f"deploy it: cdk deploy {name}"
    outputs = outputs_of(connection, name)
    if outputs is None:
        raise PlatformUnreachable(f"Stack {name}: found none of that name; {advice}")
    try:
        return Stack(
            name=name,
            bucket=outputs["S3BucketForAWSBatch"],
            run_table=outputs["RunTableName"],
            state_machines=json.loads(outputs["StateMachineArns"]),
            job_definitions=json.loads(outputs["JobDefinitionArns"]),
            job_queues=json.loads(outputs["JobQueueArns"]),
            allowed_inputs=_allowed(outputs["AllowedInputs"]),
            allowed_outputs=_allowed(outputs["AllowedOutputs"]),
            notification_topic=outputs["NotificationTopicArn"],
            root_volume_gib=int(outputs["RootVolumeGib"]),
        )
    except (KeyError, ValueError) as error:
        raise PlatformUnreachable(f"Stack {name}: its output {error} is missing or unreadable; {advice}") from error


def outputs_of(connection: Connection, name: str) -> dict[str, str] | None:
    """The outputs of a stack, None when there is no such stack."""
    try:
        stacks = connection.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error_code(error) != "ValidationError":
            raise
        return None
    return {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}


def check_buckets(stack: Stack, workflow: Workflow, parameters: Mapping[str, Any]) -> None:
    """Refuses an input or a result outside of what the stack's jobs may read and write; raises WrongInput."""
    if workflow.upload:
        bucket = str(parameters[workflow.upload.bucket_parameter])
        key = str(parameters[workflow.upload.key_parameter])
        is_bucket_allowed = any(entry.bucket == bucket for entry in stack.allowed_inputs)
        wrong = workflow.upload.key_parameter if is_bucket_allowed else workflow.upload.bucket_parameter
        if problem := _not_allowed(bucket, [key], stack.allowed_inputs, "inputBuckets"):
            raise WrongInput(f"{_label(workflow, wrong)}: {problem}", field=wrong)
    bucket, keys = workflow.output_bucket(parameters), list(workflow.output_keys(parameters).values())
    if problem := _not_allowed(bucket, keys, stack.allowed_outputs, "outputBuckets"):
        field = workflow.output_bucket_parameter
        raise WrongInput(f"{_label(workflow, field)}: {problem}", field=field)


def _not_allowed(bucket: str, keys: list[str], allowed: Sequence[AllowedKeys], setting: str) -> str | None:
    for key in keys:
        if not any(entry.bucket == bucket and entry.allows(key) for entry in allowed):
            choices = "; ".join(str(entry) for entry in allowed) or "(none)"
            return (
                f"found s3://{bucket}/{key}, which the platform's jobs may not use; expected one of: {choices}"
                f"; to allow another, add it to the setting {setting} and deploy again"
            )
    return None


def _label(workflow: Workflow, name: str | None) -> str:
    return next((parameter.label for parameter in workflow.parameters if parameter.name == name), name or "results")


def _allowed(text: str) -> tuple[AllowedKeys, ...]:
    return tuple(AllowedKeys(bucket=entry["bucket"], keys=tuple(entry["keys"])) for entry in json.loads(text))


def _matches(pattern: str, key: str) -> bool:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), key, re.DOTALL) is not None
