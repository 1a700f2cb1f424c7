"""What the function works with: the stack of the runs, the workflows, and who is trusted."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from problems import Problem

from hpc import stack
from hpc.connection import Connection, client_config
from hpc.errors import Refusal
from hpc.run import Run
from hpc.runs import Runs
from hpc.stack import Stack
from hpc.wording import quoted
from hpc.workflows import Workflow, parse

# What CloudFormation says of the stack may be that old.
_STACK_GOOD_FOR_S = 60.0
_WORKFLOWS_FILE = Path(__file__).with_name("workflows.json")


@dataclass(frozen=True)
class Environment:
    """The function's environment; roles and admins are ARNs, admins may be owners of other kinds."""

    stack_name: str
    function_name: str
    trusted_roles: tuple[str, ...]
    admins: tuple[str, ...]

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "Environment":
        return cls(
            stack_name=variables["PRODUCTION_STACK"],
            function_name=variables["AWS_LAMBDA_FUNCTION_NAME"],
            trusted_roles=tuple(json.loads(variables["TRUSTED_ROLES"])),
            admins=tuple(json.loads(variables["ADMINS"])),
        )


class Deployment:
    """One a function's process: calls share its clients, which take longer to make than a call takes."""

    def __init__(self, environment: Environment, connection: Connection, workflows: Mapping[str, Workflow]) -> None:
        self.environment = environment
        self.connection = connection
        self.workflows = workflows
        self._stack: Stack | None = None
        self._described_at = 0.0

    @classmethod
    def here(cls) -> "Deployment":
        """The deployment that this process is of."""
        environment = Environment.read(os.environ)
        # A presigned URL must name the bucket's own Region, or browsers are redirected and the signature is void.
        config = client_config(s3={"addressing_style": "virtual"})
        connection = Connection(
            stack_name=environment.stack_name, is_laptop=False, session=boto3.Session(), config=config
        )
        return cls(environment, connection, read_workflows(json.loads(_WORKFLOWS_FILE.read_text("utf-8"))))

    @property
    def stack(self) -> Stack:
        """The stack's outputs as they were within the last minute."""
        now = time.monotonic()
        if self._stack is None or now - self._described_at > _STACK_GOOD_FOR_S:
            self._stack, self._described_at = stack.describe(self.connection), now
        return self._stack

    @property
    def runs(self) -> Runs:
        return Runs(self.connection, self.stack.run_table)

    def workflow(self, name: str) -> Workflow:
        """The workflow of that name; raises Problem (404) when there is none."""
        if name not in self.workflows:
            known = ", ".join(self.workflows) or "(none)"
            detail = f"found {quoted(name)}; expected one of {known}"
            raise Problem(404, f"workflow: {detail}", [Refusal("workflow", detail)])
        return self.workflows[name]

    def run(self, run_id: str) -> tuple[Run, Workflow]:
        """A run with its parameters, and its workflow; raises NotFound, and what `completed` does."""
        return self.completed(self.runs.get(run_id))

    def completed(self, run: Run) -> tuple[Run, Workflow]:
        """The run with its parameters, and its workflow.

        Raises WrongInput when nobody knows the parameters any more, Problem (404) when the workflow is not deployed.
        """
        run = self.runs.with_parameters(run)
        return run, self.workflow(run.workflow)


def read_workflows(documents: list[Mapping[str, Any]]) -> dict[str, Workflow]:
    """Workflows by name, from what their `workflow.yaml` say."""
    return {workflow.name: workflow for workflow in map(parse, documents)}
