"""Job queues that give up on jobs which cannot start."""

from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_batch as batch
from constructs import Construct

NO_CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
MISCONFIGURATIONS = (
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE",
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
    "MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED",
)
# Waiting makes no misconfiguration better; 600 s is the shortest that Batch allows.
MISCONFIGURATION_WAIT_S = 600


@dataclass(frozen=True)
class Queues:
    """The queue of a run's first try (Spot, then on-demand) and that of its next ones (on-demand)."""

    first_try: batch.CfnJobQueue
    next_tries: batch.CfnJobQueue


def job_queue(
    scope: Construct, construct_id: str, environments: list[batch.CfnComputeEnvironment], *, capacity_wait_s: int
) -> batch.CfnJobQueue:
    """A queue that tries the environments in their order and cancels a job at its head that cannot be placed.

    It does so for every reason that Batch lets one act on; the run's next try submits the job again. A plain
    CloudFormation resource, since the CDK's construct does not know the last reason.
    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable_time_limit_actions.html
    """
    waits = {NO_CAPACITY: capacity_wait_s, **dict.fromkeys(MISCONFIGURATIONS, MISCONFIGURATION_WAIT_S)}
    if Stack.of(scope).region.startswith("cn-"):
        # The China Regions document the other three only.
        # Source: https://docs.amazonaws.cn/en_us/batch/latest/userguide/job_stuck_in_runnable_time_limit_actions.html
        waits.pop(MISCONFIGURATIONS[-1])
    return batch.CfnJobQueue(
        scope,
        construct_id,
        priority=1,
        compute_environment_order=[
            batch.CfnJobQueue.ComputeEnvironmentOrderProperty(
                compute_environment=environment.attr_compute_environment_arn, order=order
            )
            for order, environment in enumerate(environments, start=1)
        ],
        job_state_time_limit_actions=[
            batch.CfnJobQueue.JobStateTimeLimitActionProperty(
                action="CANCEL", state="RUNNABLE", reason=reason, max_time_seconds=wait_s
            )
            for reason, wait_s in waits.items()
        ],
    )
