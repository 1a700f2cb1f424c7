"""A workflow folder as a state machine with everything that it calls."""

import json

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hpc_constructs import run_arns
from hpc_constructs.acknowledgments import acknowledge, acknowledge_wildcards
from hpc_constructs.batch_jobs import BatchJobs
from hpc_constructs.log_groups import log_group
from hpc_constructs.machine_role import Callees, MachineRole
from hpc_constructs.platform import Platform
from hpc_constructs.task_function import TaskFunction
from hpc_constructs.workflow_checks import WorkflowFolderError, pascal_case
from hpc_constructs.workflow_parts import WorkflowFolder


class Workflow(Construct):
    """A state machine with its job definitions, functions, role and log.

    Exposes `folder`, `machine` and `job_definitions` by job name. Costs while idle: stored logs. The log holds every
    event without its data: what ran when, at 0.50 USD a GB; what was given to a run stays in its execution.
    """

    def __init__(self, scope: Construct, construct_id: str, *, folder: WorkflowFolder, platform: Platform) -> None:
        super().__init__(scope, construct_id)
        self.folder = folder
        days = platform.log_retention_days
        self.job_definitions = BatchJobs(
            self,
            "Jobs",
            workflow=folder,
            repositories=platform.repositories,
            stores=platform.stores,
            log_retention_days=days,
        ).definitions
        self._functions = {}
        for declared in folder.functions:
            made = TaskFunction(
                self, pascal_case(declared.name), declared=declared, stores=platform.stores, log_retention_days=days
            )
            if declared.makes_task_rows:
                made.allow(["dynamodb:UpdateItem"], [platform.table.table_arn])
            self._functions[declared.name] = made.function
        callees = Callees(
            definitions=self.job_definitions.values(),
            queues=[queue for queues in platform.queues.values() for queue in (queues.first_try, queues.next_tries)],
            functions=self._functions.values(),
            notifications=platform.notifications,
            table=platform.table,
        )
        role = MachineRole(self, "MachineRole", folder=folder, callees=callees)
        platform.stores.grant(role.role, folder.machine_accesses)
        known: dict[str, str | int] = {
            "Partition": Stack.of(self).partition,
            "MaxAttempts": platform.max_attempts,
            "MapMaxConcurrency": platform.map_max_concurrency,
            "GroupAbove": platform.group_above,
        }
        texts = self._texts(folder, platform)
        for unknown in sorted(folder.placeholders - known.keys() - texts.keys()):
            supplied = ", ".join(sorted([*known, *texts]))
            raise WorkflowFolderError(f"{folder.name}: definition: found ${{{unknown}}}; expected one of {supplied}")
        # Step Functions' log delivery wants this prefix, else its resource policy outgrows its limit.
        # Source: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
        log_name = f"/aws/vendedlogs/states/{Stack.of(self).stack_name}/{folder.name}"
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            definition_body=sfn.DefinitionBody.from_string(json.dumps(folder.definition_with(known))),
            definition_substitutions={name: text for name, text in texts.items() if name in folder.placeholders},
            role=role.role,
            removal_policy=RemovalPolicy.DESTROY,
            logs=sfn.LogOptions(
                destination=log_group(self, "Logs", retention_days=days, name=log_name),
                level=sfn.LogLevel.ALL,
                include_execution_data=False,
            ),
        )
        if folder.has_distributed_map:
            role.allow_distributed_map(self.machine)
        acknowledge(
            self.machine,
            "SF2",
            reason="Batch jobs run for minutes to hours and are not traced; rows and logs tell more",
        )

    def grant_describe_executions(self, role: iam.Role) -> None:
        """Lets the role see executions of the machine."""
        executions = run_arns.executions(self.machine)
        role.add_to_policy(iam.PolicyStatement(actions=["states:DescribeExecution"], resources=[executions]))
        acknowledge_wildcards(role, [executions], reason=run_arns.EXECUTIONS_REASON)

    def _texts(self, folder: WorkflowFolder, platform: Platform) -> dict[str, str]:
        """What CloudFormation fills in when it deploys: names, and ARNs most of them."""
        texts = {
            "WorkflowName": folder.name,
            "RunTableName": platform.table.table_name,
            "TopicArn": platform.notifications.topic.topic_arn,
        }
        for architecture, queues in platform.queues.items():
            texts[f"{pascal_case(architecture)}QueueArn"] = queues.first_try.attr_job_queue_arn
            texts[f"{pascal_case(architecture)}OnDemandQueueArn"] = queues.next_tries.attr_job_queue_arn
        for name, definition in self.job_definitions.items():
            texts[f"{pascal_case(name)}JobDefinitionArn"] = definition.job_definition_arn
        for name, function in self._functions.items():
            texts[f"{pascal_case(name)}FunctionArn"] = function.function_arn
        return texts
