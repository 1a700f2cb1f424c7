"""Stack outputs: what the command line, scripts and other stacks read."""

from collections.abc import Sequence

from aws_cdk import CfnOutput, Stack

from hpc_constructs.platform import Platform
from hpc_constructs.workflow import Workflow


def declare_outputs(stack: Stack, *, platform: Platform, workflows: Sequence[Workflow]) -> None:
    """Declares the outputs under exactly these names; those that are not one name or ARN are JSON text."""
    accesses = [access for workflow in workflows for access in workflow.folder.accesses]
    definitions = {
        workflow.folder.name: {job: made.job_definition_arn for job, made in workflow.job_definitions.items()}
        for workflow in workflows
    }
    queues = {
        architecture: {
            "first_try": queues.first_try.attr_job_queue_arn,
            "next_tries": queues.next_tries.attr_job_queue_arn,
        }
        for architecture, queues in platform.queues.items()
    }
    values = {
        "S3BucketForAWSBatch": platform.stores.data.bucket_name,
        "RunTableName": platform.table.table_name,
        "NotificationTopicArn": platform.notifications.topic.topic_arn,
        "StateMachineArns": {workflow.folder.name: workflow.machine.state_machine_arn for workflow in workflows},
        "JobDefinitionArns": definitions,
        "JobQueueArns": queues,
        "RootVolumeGib": str(platform.root_volume_gib),
        "AllowedInputs": platform.stores.allowed_inputs(accesses),
        "AllowedOutputs": platform.stores.allowed_outputs(accesses),
    }
    for name, value in values.items():
        CfnOutput(stack, name, value=value if isinstance(value, str) else stack.to_json_string(value))
