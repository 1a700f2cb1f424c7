"""The open runs: `OPEN` / `RUN#<id>`, a row for each run whose rows may still have to change.

The event of an execution's start makes it, and here whatever such an event did not tell of: executions that run, and
those that started or ended a short time ago.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError
from platform_access import Access, Record, client

# Executions that began this short a time ago are looked at once more, whether or not they run.
LATELY = timedelta(minutes=10)


@dataclass(frozen=True)
class OpenRun:
    """A run to look after; `execution_arn` is the newest execution that somebody knew of."""

    run_id: str
    execution_arn: str


class OpenRuns:
    """The open runs of a deployment."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def find(self) -> list[OpenRun]:
        """All of them, with those that no event told of."""
        known = {run.run_id: run for run in self._noted()}
        for execution in self._executions():
            run_id = self._run_of(execution)
            if run_id not in known and not self._is_settled(run_id):
                known[run_id] = OpenRun(run_id, execution["executionArn"])
                self._access.table.put_item(
                    Item={"pk": "OPEN", "sk": f"RUN#{run_id}", "execution_arn": execution["executionArn"]}
                )
        return sorted(known.values(), key=lambda run: run.run_id)

    def close(self, run: OpenRun, execution_arn: str | None) -> None:
        """Notes that the run's rows are what they stay, unless it goes on in another execution than `execution_arn`."""
        if execution_arn and not _if_so(
            self._access.table.update_item,
            Key={"pk": f"RUN#{run.run_id}", "sk": "META"},
            UpdateExpression="SET settled = :execution",
            ConditionExpression="execution_arn = :execution",
            ExpressionAttributeValues={":execution": execution_arn},
        ):
            return
        _if_so(
            self._access.table.delete_item,
            Key={"pk": "OPEN", "sk": f"RUN#{run.run_id}"},
            ConditionExpression=Attr("execution_arn").eq(run.execution_arn),
        )

    def _noted(self) -> Iterator[OpenRun]:
        query: dict[str, Any] = {"KeyConditionExpression": Key("pk").eq("OPEN"), "ConsistentRead": True}
        while True:
            page = self._access.table.query(**query)
            for item in page["Items"]:
                yield OpenRun(item["sk"].removeprefix("RUN#"), item["execution_arn"])
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _executions(self) -> Iterator[Record]:
        """Those that run, and the newest ones whatever became of them; both newest first."""
        since = datetime.now(UTC) - LATELY
        for machine in self._access.machines:
            pages = client("stepfunctions").get_paginator("list_executions")
            for page in pages.paginate(stateMachineArn=machine, statusFilter="RUNNING"):
                yield from page["executions"]
            newest = client("stepfunctions").list_executions(stateMachineArn=machine, maxResults=100)
            for execution in newest["executions"]:
                if max(execution["startDate"], execution.get("stopDate") or execution["startDate"]) >= since:
                    yield execution

    def _run_of(self, execution: Record) -> str:
        """The input's run id, or the execution's name, as the state Prepare has it.

        A submission names its executions `<run>-<n>`; what else there is was started by hand, and the name is the id.
        """
        run_id = str(execution["name"]).rpartition("-")[0]
        if run_id and self._row(run_id):
            return run_id
        described = client("stepfunctions").describe_execution(executionArn=execution["executionArn"])
        given = json.loads(described.get("input") or "{}").get("run_id")
        return str(given or re.sub(r"[^A-Za-z0-9_-]", "-", execution["name"]))

    def _is_settled(self, run_id: str) -> bool:
        row = self._row(run_id)
        return row is not None and bool(row.get("settled")) and row["settled"] == row.get("execution_arn")

    def _row(self, run_id: str) -> Record | None:
        key = {"pk": f"RUN#{run_id}", "sk": "META"}
        found: Record | None = self._access.table.get_item(Key=key, ConsistentRead=True).get("Item")
        return found


def _if_so(write: Callable[..., Any], **request: Any) -> bool:
    """A conditional write; False when its condition does not hold."""
    try:
        write(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True
