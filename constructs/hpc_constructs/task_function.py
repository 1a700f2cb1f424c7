"""Lambda functions for the light steps of a workflow."""

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from hpc_constructs.log_groups import log_group
from hpc_constructs.object_access import ObjectStores
from hpc_constructs.workflow_parts import Function

RUNTIME = lambda_.Runtime.PYTHON_3_14


class TaskFunction(Construct):
    """A function on arm64 whose code is the folder of its name: `<name>/<name>.py` with `handler(event, context)`.

    Exposes `function` and its `role`, which may write the function's log, touch the objects that are declared for it,
    and do what `allow` adds. Costs while idle: stored logs.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        declared: Function,
        stores: ObjectStores,
        log_retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        logs = log_group(self, "Logs", retention_days=log_retention_days)
        self.role = role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        logs.grant_write(role)
        stores.grant(role, declared.accesses)
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=RUNTIME,
            architecture=lambda_.Architecture.ARM_64,
            code=lambda_.Code.from_asset(str(declared.code), exclude=["__pycache__", "*.pyc"]),
            handler=f"{declared.name}.handler",
            memory_size=declared.memory_mib,
            timeout=Duration.seconds(declared.timeout_s),
            role=role,
            log_group=logs,
        )

    def allow(self, actions: list[str], resources: list[str]) -> None:
        """Gives the role these actions on these resources."""
        self.role.add_to_policy(iam.PolicyStatement(actions=actions, resources=resources))
