"""The queue of what happens to jobs and executions."""

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sqs as sqs
from constructs import Construct

# A job waits in SUBMITTED and PENDING for a moment only, and its row says PENDING from the beginning.
TOLD_STATUSES = ["RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"]
DELIVERIES = 5


class EventQueue(Construct):
    """State changes of the jobs in some queues and of the executions of some machines, from EventBridge into SQS.

    Exposes `queue`; beside it another one holds for 14 days what could not be delivered or handled. Children of
    array jobs, of which a run may have a million, are left out by the rule. Lambda waits `gathered_within` at most for
    a batch of messages, and its function takes `handled_within` at most for it. Costs while idle: nothing.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        job_queue_arns: Sequence[str],
        machine_arns: Sequence[str],
        gathered_within: Duration,
        handled_within: Duration,
    ) -> None:
        super().__init__(scope, construct_id)
        dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        self.queue = sqs.Queue(
            self,
            "Queue",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            # Source: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
            visibility_timeout=Duration.seconds(6 * handled_within.to_seconds()).plus(gathered_within),
            dead_letter_queue=sqs.DeadLetterQueue(max_receive_count=DELIVERIES, queue=dead_letters),
        )
        patterns = {
            "JobChanges": events.EventPattern(
                source=["aws.batch"],
                detail_type=["Batch Job State Change"],
                detail={
                    "jobQueue": [*job_queue_arns],
                    "status": TOLD_STATUSES,
                    "arrayProperties": {"index": [{"exists": False}]},
                },
            ),
            "ExecutionChanges": events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={"stateMachineArn": [*machine_arns]},
            ),
        }
        for name, pattern in patterns.items():
            rule = events.Rule(self, name, event_pattern=pattern)
            rule.add_target(targets.SqsQueue(self.queue, dead_letter_queue=dead_letters))
