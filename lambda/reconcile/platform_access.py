"""The services of AWS that a reconciler asks, and the deployment that it asks about."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

_RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 5})
# Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobs.html
DESCRIBED_AT_ONCE = 100
# Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
SENT_AT_ONCE = 10
JOB_CHANGED = "Batch Job State Change"
EXECUTION_CHANGED = "Step Functions Execution Status Change"

Record = Mapping[str, Any]


@cache
def client(service: str) -> Any:
    """Kept for the next calls of the same function instance; clients have no state but connections."""
    return boto3.client(service, config=_RETRIES)


@cache
def table_of(name: str) -> Any:
    """A DynamoDB table that takes and gives Python values."""
    return boto3.resource("dynamodb", config=_RETRIES).Table(name)


@dataclass(frozen=True)
class Access:
    """`queues` has the architecture of each job queue's ARN, `machines` the ARNs of the state machines."""

    table: Any
    events_url: str
    queues: Mapping[str, str]
    machines: Sequence[str]

    @classmethod
    def of_environment(cls) -> "Access":
        """The deployment that the function's variables name."""
        return cls(
            table=table_of(os.environ["RUN_TABLE"]),
            events_url=os.environ["EVENTS_QUEUE_URL"],
            queues={queue["arn"]: queue["architecture"] for queue in json.loads(os.environ["JOB_QUEUES"])},
            machines=json.loads(os.environ["STATE_MACHINES"]),
        )

    def list_jobs(self, run_id: str, architecture: str | None) -> list[Record]:
        """All jobs whose names are those of the run, as ListJobs tells them, oldest first; array jobs without children.

        With a filter Batch gives every status back.
        Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html
        """
        found: dict[str, Record] = {}
        for queue, its_architecture in self.queues.items():
            if architecture in (None, its_architecture):
                named = [{"name": "JOB_NAME", "values": [f"{run_id}-*"]}]
                for page in client("batch").get_paginator("list_jobs").paginate(jobQueue=queue, filters=named):
                    found |= {job["jobId"]: job for job in page["jobSummaryList"]}
        return sorted(found.values(), key=lambda job: (job["createdAt"], job["jobId"]))

    def describe_jobs(self, job_ids: Iterable[str]) -> Iterator[Record]:
        """Jobs with their attempts; those that Batch has forgotten are left out."""
        ids = list(job_ids)
        for start in range(0, len(ids), DESCRIBED_AT_ONCE):
            yield from client("batch").describe_jobs(jobs=ids[start : start + DESCRIBED_AT_ONCE])["jobs"]

    def send(self, messages: Sequence[Record]) -> None:
        """Sends messages to the queue of events; raises ValueError when SQS does not take one of them."""
        for start in range(0, len(messages), SENT_AT_ONCE):
            entries = [
                {"Id": str(number), "MessageBody": json.dumps(message, separators=(",", ":"), default=as_json)}
                for number, message in enumerate(messages[start : start + SENT_AT_ONCE])
            ]
            answer = client("sqs").send_message_batch(QueueUrl=self.events_url, Entries=entries)
            if answer.get("Failed"):
                raise ValueError(f"SQS did not take {len(answer['Failed'])} messages: {answer['Failed'][0]}")


def job_message(job: Record, task: tuple[str, int] | None = None) -> dict[str, Any]:
    """A job as its event would tell it; `task` is that of a group's child."""
    named = {"task": {"state": task[0], "index": task[1]}} if task else {}
    return {"source": "hpc.reconcile", "detail-type": JOB_CHANGED, "time": now_text(), "detail": job, **named}


def now_text() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def as_json(value: Any) -> Any:
    """Times of Step Functions, in milliseconds as its events have them."""
    if isinstance(value, datetime):
        return round(value.timestamp() * 1000)
    raise TypeError(f"{type(value).__name__} is no JSON")
