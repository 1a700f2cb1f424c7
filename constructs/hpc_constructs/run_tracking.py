"""Rows of tasks that follow what happens: functions that record events, and repair what no event told."""

from collections.abc import Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk.aws_lambda_event_sources import SqsEventSource
from constructs import Construct

from hpc_constructs import run_arns
from hpc_constructs.acknowledgments import acknowledge, acknowledge_wildcards
from hpc_constructs.event_queue import EventQueue
from hpc_constructs.platform import Platform
from hpc_constructs.project import ROOT
from hpc_constructs.task_function import TaskFunction
from hpc_constructs.workflow import Workflow
from hpc_constructs.workflow_parts import Function

FUNCTIONS = ROOT / "lambda"
RECORD_EVENT = Function(name="record_event", memory_mib=512, timeout_s=60, accesses=(), code=FUNCTIONS / "record_event")
RECONCILE = Function(name="reconcile", memory_mib=512, timeout_s=300, accesses=(), code=FUNCTIONS / "reconcile")
# How late a row may be: this window when its event came, the reconciler's period besides when it did not.
BATCHING_WINDOW = Duration.seconds(2)
RECONCILER_PERIOD = Duration.minutes(1)
MESSAGES_AT_ONCE = 1_000
# Of one function that writes the rows of one run; 2 is the least that Lambda takes.
CALLS_AT_ONCE = 2


class RunTracking(Construct):
    """EventBridge, SQS and two functions that keep the rows of tasks, and of runs that broke, in the run table.

    Costs while idle: the reconciler's call each minute and Lambda's looks into the queue, about 0.30 USD a month
    together.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, platform: Platform, workflows: Sequence[Workflow]
    ) -> None:
        super().__init__(scope, construct_id)
        self._platform, self._workflows = platform, workflows
        machine_arns = [workflow.machine.state_machine_arn for workflow in workflows]
        queues = [
            {"arn": queue.attr_job_queue_arn, "architecture": architecture}
            for architecture, both in platform.queues.items()
            for queue in (both.first_try, both.next_tries)
        ]
        self._events = EventQueue(
            self,
            "Events",
            job_queue_arns=[queue["arn"] for queue in queues],
            machine_arns=machine_arns,
            gathered_within=BATCHING_WINDOW,
            handled_within=Duration.seconds(RECORD_EVENT.timeout_s),
        )
        stack = Stack.of(self)
        known = {"RUN_TABLE": platform.table.table_name, "JOB_QUEUES": stack.to_json_string(queues)}
        self._record(self._function("RecordEvent", RECORD_EVENT, known))
        machines = stack.to_json_string(machine_arns)
        to_ask = {"EVENTS_QUEUE_URL": self._events.queue.queue_url, "STATE_MACHINES": machines}
        self._repair(self._function("Reconcile", RECONCILE, {**known, **to_ask}))

    def _function(self, construct_id: str, declared: Function, environment: dict[str, str]) -> TaskFunction:
        made = TaskFunction(
            self,
            construct_id,
            declared=declared,
            stores=self._platform.stores,
            log_retention_days=self._platform.log_retention_days,
        )
        for name, value in environment.items():
            made.function.add_environment(name, value)
        for workflow in self._workflows:
            workflow.grant_describe_executions(made.role)
        return made

    def _record(self, made: TaskFunction) -> None:
        """Events move rows; what they do not say of an instance, ECS and EC2 do."""
        made.function.add_event_source(
            SqsEventSource(
                self._events.queue,
                batch_size=MESSAGES_AT_ONCE,
                max_batching_window=BATCHING_WINDOW,
                max_concurrency=CALLS_AT_ONCE,
                report_batch_item_failures=True,
            )
        )
        instances = Stack.of(self).format_arn(service="ecs", resource="container-instance", resource_name="*")
        made.allow(["dynamodb:PutItem", "dynamodb:UpdateItem"], [self._platform.table.table_arn])
        made.allow(["ecs:DescribeContainerInstances"], [instances])
        made.allow(["ec2:DescribeInstances"], ["*"])
        acknowledge_wildcards(
            made.role, [instances], reason="Batch makes the clusters and their instances, under names of its own"
        )
        acknowledge(made.role, "IAM5[Resource::*]", reason="ec2:DescribeInstances cannot be limited to a resource")

    def _repair(self, made: TaskFunction) -> None:
        """Once a minute, Step Functions and Batch are asked what is so; jobs of runs that are over end."""
        every = events.Rule(self, "Period", schedule=events.Schedule.rate(RECONCILER_PERIOD))
        every.add_target(targets.LambdaFunction(made.function, retry_attempts=0))
        jobs = run_arns.batch_jobs(self)
        rows = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
        made.allow(rows, [self._platform.table.table_arn])
        made.allow(["sqs:SendMessage"], [self._events.queue.queue_arn])
        made.allow(["batch:ListJobs", "batch:DescribeJobs"], ["*"])
        made.allow(["batch:TerminateJob"], [jobs])
        for workflow in self._workflows:
            made.allow(["states:ListExecutions"], [workflow.machine.state_machine_arn])
            # The lists of shards lie beside the manifests that the state machine reads.
            self._platform.stores.grant(made.role, workflow.folder.machine_accesses)
        acknowledge_wildcards(made.role, [jobs], reason=run_arns.JOBS_REASON)
        acknowledge(
            made.role, "IAM5[Resource::*]", reason="batch:ListJobs and DescribeJobs cannot be limited to a resource"
        )
