"""What a change of an execution says of its run.

The state machine itself writes how a run starts and ends. An execution that was stopped, timed out or broke writes
nothing more; its event does. A run that goes is noted among the open ones, which the reconciler looks after.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError
from event_message import Message, as_text
from warm_clients import client

OUTCOMES = {"SUCCEEDED": "SUCCEEDED", "FAILED": "FAILED", "TIMED_OUT": "FAILED", "ABORTED": "CANCELLED"}
WORDS = {"TIMED_OUT": "its execution timed out", "ABORTED": "its execution was stopped"}
# How `hpc cancel` stops an execution: the cause alone says it all.
CANCELLED = "Cancelled"
# The laptop platform ended in the middle of the execution: the run goes on in another one.
INTERRUPTED = "HpcPlatform.Interrupted"


def record_execution(message: Message, table: str) -> None:
    """Notes a run that goes, or writes how one ended unless that is written."""
    detail = message.detail
    run_id, arn = run_of(detail), detail["executionArn"]
    if detail["status"] == "RUNNING":
        client("dynamodb").put_item(TableName=table, Item=open_row(run_id, arn))
    elif detail["status"] in OUTCOMES:
        status, reasons = outcome(detail)
        if status is not None:
            stopped_at = as_text(detail.get("stopDate") or message.time_ms)
            finish(table, run_id, arn, {"status": status, "stopped_at": stopped_at, "reasons": reasons})


def open_row(run_id: str, execution_arn: str) -> dict[str, Any]:
    """The row that says that a run is to be looked after."""
    texts = {"pk": "OPEN", "sk": f"RUN#{run_id}", "execution_arn": execution_arn}
    return {name: {"S": text} for name, text in texts.items()}


def run_of(detail: Mapping[str, Any]) -> str:
    """The run's id as the state Prepare finds it: the input's, or the execution's name."""
    try:
        given = json.loads(detail.get("input") or "{}").get("run_id")
    except (ValueError, AttributeError):
        given = None
    return str(given or re.sub(r"[^A-Za-z0-9_-]", "-", detail["name"]))


def outcome(detail: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """Status and reasons in the words of the command line; no status for a run that is not over."""
    ended = detail["status"]
    if ended == "SUCCEEDED":
        return "SUCCEEDED", []
    if not detail.get("error"):
        # The event of an execution that was stopped does not say why.
        detail = client("stepfunctions").describe_execution(executionArn=detail["executionArn"])
    error, cause = str(detail.get("error") or ""), str(detail.get("cause") or "")
    if error == INTERRUPTED:
        return None, []
    if error == CANCELLED and cause:
        return OUTCOMES[ended], [cause]
    told = ": ".join(part for part in (error, cause) if part)
    reason = WORDS.get(ended, "its execution failed")
    return OUTCOMES[ended], [f"{reason}: {told}" if told else reason]


def finish(table: str, run_id: str, arn: str, end: Mapping[str, Any]) -> None:
    """Only a row that is open, and still that of this execution: a resumed run goes on in another one."""
    values = {
        ":status": end["status"],
        ":now": end["stopped_at"],
        ":reasons": json.dumps(end["reasons"]),
        ":pending": "PENDING",
        ":running": "RUNNING",
        ":execution": arn,
    }
    try:
        client("dynamodb").update_item(
            TableName=table,
            Key={"pk": {"S": f"RUN#{run_id}"}, "sk": {"S": "META"}},
            UpdateExpression="SET #status = :status, stopped_at = :now, reasons = :reasons, reason_count = :count",
            ConditionExpression="#status IN (:pending, :running) AND execution_arn = :execution",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={
                **{name: {"S": value} for name, value in values.items()},
                ":count": {"N": str(len(end["reasons"]))},
            },
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
