"""The open runs: `OPEN` / `RUN#<id>`, a row for each run whose rows may still have to change.

The event of an execution's start makes it, and here whatever such an event did not tell of: executions that run, and
those that started or ended a short time ago.
"""

import json
import re
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import BotoCoreError, ClientError
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
            try:
                run = self._untold(execution, known)
            except (ClientError, BotoCoreError) as error:
                # One execution must not keep the others from being looked at.
                print(f"the run of {execution['executionArn']} was not found: {type(error).__name__}: {error}")
                continue
            if run:
                known[run.run_id] = run
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

    def _untold(self, execution: Record, known: Container[str]) -> OpenRun | None:
        """The run of an execution, noted as open now; None when it is known, or settled."""
        run_id, row = self._run_of(execution, known)
        if run_id in known or (row and row.get("settled") and row["settled"] == row.get("execution_arn")):
            return None
        run = OpenRun(run_id, execution["executionArn"])
        texts = {"pk": "OPEN", "sk": f"RUN#{run_id}", "execution_arn": run.execution_arn}
        self._access.table.put_item(Item=texts)
        return run

    def _executions(self) -> Iterator[Record]:
        """Those that run, and the newest ones whatever became of them; both newest first, each once."""
        since = datetime.now(UTC) - LATELY
        for machine in self._access.machines:
            running = set()
            pages = client("stepfunctions").get_paginator("list_executions")
            for page in pages.paginate(stateMachineArn=machine, statusFilter="RUNNING"):
                running |= {execution["executionArn"] for execution in page["executions"]}
                yield from page["executions"]
            newest = client("stepfunctions").list_executions(stateMachineArn=machine, maxResults=100)
            for execution in newest["executions"]:
                last = max(execution["startDate"], execution.get("stopDate") or execution["startDate"])
                if execution["executionArn"] not in running and last >= since:
                    yield execution

    def _run_of(self, execution: Record, known: Container[str]) -> tuple[str, Record | None]:
        """The input's run id, or the execution's name, as the state Prepare has it; and the run's row, unless known.

        A submission names its executions `<run>-<n>`; what else there is was started by hand, and the name is the id.
        """
        name = str(execution["name"])
        run_id = name.rpartition("-")[0]
        if run_id in known:
            return run_id, None
        row = self._row(run_id) if run_id else None
        if row:
            return run_id, row
        described = client("stepfunctions").describe_execution(executionArn=execution["executionArn"])
        run_id = _run_in(described.get("input")) or re.sub(r"[^A-Za-z0-9_-]", "-", name)
        return run_id, None if run_id in known else self._row(run_id)

    def _row(self, run_id: str) -> Record | None:
        key = {"pk": f"RUN#{run_id}", "sk": "META"}
        found: Record | None = self._access.table.get_item(Key=key, ConsistentRead=True).get("Item")
        return found


def _run_in(text: str | None) -> str:
    """The run id in an execution's input, empty without one: whoever starts one by hand may send any JSON."""
    given = json.loads(text or "{}")
    return str(given.get("run_id") or "") if isinstance(given, dict) else ""


def _if_so(write: Callable[..., Any], **request: Any) -> bool:
    """A conditional write; False when its condition does not hold."""
    try:
        write(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True
