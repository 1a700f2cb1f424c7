"""The role of a workflow's state machine: exactly what its definition calls."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_batch as batch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hpc_constructs import run_arns
from hpc_constructs.acknowledgments import acknowledge, acknowledge_wildcards
from hpc_constructs.notifications import Notifications
from hpc_constructs.workflow_checks import WorkflowFolderError
from hpc_constructs.workflow_parts import WorkflowFolder


@dataclass(frozen=True)
class Callees:
    """What a definition may call."""

    definitions: Iterable[batch.IJobDefinition]
    queues: Iterable[batch.CfnJobQueue]
    functions: Iterable[lambda_.IFunction]
    notifications: Notifications
    table: dynamodb.ITable


class MachineRole(Construct):
    """The role, with a grant for each kind of call in the definition. Exposes `role`.

    Raises `WorkflowFolderError` for a call that has no grant here.
    """

    def __init__(self, scope: Construct, construct_id: str, *, folder: WorkflowFolder, callees: Callees) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        grants: dict[str, Callable[[Callees], None]] = {
            "batch:submitJob.sync": self._run_jobs,
            "lambda:invoke": self._invoke_functions,
            "sns:publish": lambda callees: callees.notifications.grant_publish(self.role),
            "dynamodb:updateItem": lambda callees: self._allow("dynamodb:UpdateItem", [callees.table.table_arn]),
        }
        # A Map's reading of its manifest is granted by what workflow.yaml declares for the machine.
        for call in sorted(folder.calls - {"s3:getObject"}):
            if call not in grants:
                expected = ", ".join(sorted(grants))
                raise WorkflowFolderError(f"{folder.name}: definition: found a call of {call}; expected {expected}")
            grants[call](callees)
        acknowledge(
            self.role,
            "IAM5[Resource::*]",
            reason="batch:DescribeJobs and the actions that deliver logs cannot be limited to a resource",
        )

    def allow_distributed_map(self, machine: sfn.StateMachine) -> None:
        """Lets the machine start itself for the items of its Map, and watch and stop those executions.

        A policy beside the role: the machine depends on the role's own policy, which cannot name the machine.
        Source: https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
        """
        # AWS's page names executions as those that no Map started; the ARNs of a Map's children are other ones.
        children = [run_arns.item_executions(machine), run_arns.executions(machine)]
        policy = iam.Policy(
            self,
            "DistributedMap",
            roles=[self.role],
            statements=[
                iam.PolicyStatement(actions=["states:StartExecution"], resources=[machine.state_machine_arn]),
                iam.PolicyStatement(actions=["states:DescribeExecution", "states:StopExecution"], resources=children),
            ],
        )
        acknowledge_wildcards(policy, children, reason=run_arns.EXECUTIONS_REASON)

    def _allow(self, action: str, resources: Iterable[str]) -> None:
        self.role.add_to_policy(iam.PolicyStatement(actions=[action], resources=[*resources]))

    def _invoke_functions(self, callees: Callees) -> None:
        self._allow("lambda:InvokeFunction", [function.function_arn for function in callees.functions])

    def _run_jobs(self, callees: Callees) -> None:
        """Source: https://docs.aws.amazon.com/step-functions/latest/dg/connect-batch.html (.sync)."""
        stack = Stack.of(self)
        names = [definition.job_definition_name for definition in callees.definitions]
        definitions = [
            stack.format_arn(service="batch", resource="job-definition", resource_name=name) for name in names
        ]
        revisions = [f"{arn}:*" for arn in definitions]
        jobs = run_arns.batch_jobs(self)
        rule = stack.format_arn(
            service="events", resource="rule", resource_name="StepFunctionsGetEventsForBatchJobsRule"
        )
        queues = [queue.attr_job_queue_arn for queue in callees.queues]
        self._allow("batch:SubmitJob", [*definitions, *revisions, *queues])
        self._allow("batch:TagResource", [jobs])
        self._allow("batch:TerminateJob", [jobs])
        self._allow("batch:DescribeJobs", ["*"])
        for action in ("events:PutTargets", "events:PutRule", "events:DescribeRule"):
            self._allow(action, [rule])
        acknowledge_wildcards(
            self.role, revisions, reason="A run names the revisions that were current when it was submitted"
        )
        acknowledge_wildcards(self.role, [jobs], reason=run_arns.JOBS_REASON)
