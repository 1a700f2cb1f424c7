"""The function behind the API, and what it may do."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from hpc_constructs.function_asset import gather
from hpc_constructs.log_groups import log_group
from hpc_constructs.project import ROOT
from hpc_constructs.task_function import RUNTIME
from hpc_constructs.workflow_parts import WorkflowFolder

FUNCTION = ROOT / "lambda" / "api"
# API Gateway waits 29 s for an answer; ending the jobs of a cancelled run, which nobody waits for, takes minutes.
TIMEOUT_S = 420


class ApiFunction(Construct):
    """One function that answers every call of the API, with the modules of `hpc` that it shares with the command line.

    Exposes `function`, and `trust_owner` for the role of a page whose users sign in. Costs while idle: stored logs.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        production: str,
        run_access: Iterable[iam.IManagedPolicy],
        workflows: Iterable[WorkflowFolder],
        admins: Iterable[str],
        log_retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self._trusted: list[str] = []
        logs = log_group(self, "Logs", retention_days=log_retention_days)
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        logs.grant_write(role)
        for policy in run_access:
            role.add_managed_policy(policy)
        with tempfile.TemporaryDirectory() as folder:
            gather(FUNCTION, packages=ROOT, into=Path(folder))
            described = json.dumps([workflow.described for workflow in workflows], indent=1)
            Path(folder, "workflows.json").write_text(described, "utf-8")
            self.function = lambda_.Function(
                self,
                "Function",
                runtime=RUNTIME,
                architecture=lambda_.Architecture.ARM_64,
                code=lambda_.Code.from_asset(folder, exclude=["__pycache__", "*.pyc"]),
                handler="api.handler",
                memory_size=1024,
                timeout=Duration.seconds(TIMEOUT_S),
                role=role,
                log_group=logs,
                environment={
                    "PRODUCTION_STACK": production,
                    "ADMINS": json.dumps([*admins]),
                    "TRUSTED_ROLES": "[]",
                },
            )
        self._allow_calling_itself(role)

    def trust_owner(self, role: iam.IRole) -> None:
        """Believes callers with this role whom they name as owner (`X-Hpc-Owner`)."""
        self._trusted.append(role.role_arn)
        self.function.add_environment("TRUSTED_ROLES", Stack.of(self).to_json_string(self._trusted))

    def _allow_calling_itself(self, role: iam.Role) -> None:
        """A policy beside the role: the function depends on the role's own policy, which cannot name the function."""
        statement = iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[self.function.function_arn])
        iam.Policy(self, "CallsItself", roles=[role], statements=[statement])
