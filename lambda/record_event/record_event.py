"""Record_Event: moves the rows of tasks and runs forward, from the events of Batch and Step Functions.

Events come late, twice, in any order, or never. Each one carries the whole job, so that no event needs the one before
it: of all that a call is given for a task only the furthest is written, and only where the row is not further already
(`version`, see job_change.py). What was missed altogether is sent by the reconciler, as messages of the same form.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

from event_message import EventError, Message
from instances import find_places
from job_change import JobChange, parse_job
from run_change import record_execution
from task_rows import RowWrite, fold, write_rows
from warm_clients import client

__all__ = ["EventError", "handler"]


def handler(event: Any, context: Any) -> dict[str, Any]:  # noqa: ARG001  Lambda passes both
    """Write what a batch of messages says; return which of them the queue must give again.

    A message that cannot be read fails each time and ends in the dead-letter queue. Those of other people's jobs and
    of children of array jobs are done with nothing written.
    """
    table = os.environ["RUN_TABLE"]
    queues: Mapping[str, str] = {queue["arn"]: queue["architecture"] for queue in json.loads(os.environ["JOB_QUEUES"])}
    failed: list[str] = []
    jobs: list[JobChange] = []
    for record in event["Records"]:
        try:
            message = Message.parse(record)
            if message.is_of_execution:
                record_execution(message, table)
            elif change := parse_job(message, queues):
                jobs.append(change)
        except Exception as error:  # noqa: BLE001  one message must not hold up the others; it says what it was
            print(f"message {record.get('messageId')} was not recorded: {type(error).__name__}: {error}")
            failed.append(record["messageId"])
    failed += write_tasks(table, jobs)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def write_tasks(table: str, jobs: list[JobChange]) -> list[str]:
    """Messages whose tasks could not be written."""
    rows: list[RowWrite] = fold(jobs, find_places(jobs))
    unwritten = write_rows(client("dynamodb"), table, rows)
    for row, reason in unwritten:
        print(f"row {row.sort_key} of run {row.run_id} was not written: {reason}")
    return [message_id for row, _ in unwritten for message_id in row.message_ids]
