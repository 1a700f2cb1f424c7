"""Runs as people see them: the rows of the run table, held against what Step Functions says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from hpc.connection import Connection, error_code
from hpc.errors import NotFound, WrongInput
from hpc.run import Run, as_text, now
from hpc.submission_keys import SubmissionKey, put_both
from hpc.wording import quoted

# The error of an execution that the laptop platform's own end interrupted: its run goes on when that is up again.
INTERRUPTED = "HpcPlatform.Interrupted"
_ROWS_A_PAGE = 100
# What a run is whose execution ended without having written it down.
_OUTCOMES = {"SUCCEEDED": "SUCCEEDED", "FAILED": "FAILED", "TIMED_OUT": "FAILED", "ABORTED": "CANCELLED"}


def was_interrupted(execution: Mapping[str, Any] | None) -> bool:
    """Whether the platform ended it and not a person."""
    return execution is not None and execution["status"] == "ABORTED" and execution.get("error") == INTERRUPTED


class Runs:
    """The runs of one table."""

    def __init__(self, connection: Connection, table_name: str) -> None:
        self._connection = connection
        self._table = connection.table(table_name)

    def get(self, run_id: str) -> Run:
        """The run with its status as it is now; raises NotFound when there is none of that id."""
        run = self.find(run_id)
        if run is None:
            raise NotFound(f"RUN: found no run {quoted(run_id)}; expected one of those that this lists: hpc runs")
        return run

    def find(self, run_id: str) -> Run | None:
        """The run with its status as it is now, or None."""
        run = self.row(run_id)
        return self.reconciled(run) if run else None

    def recent(self, days: int) -> list[Run]:
        """The runs that were made today (UTC) and on the `days` - 1 days before, newest first."""
        first_day = (datetime.now(UTC).date() - timedelta(days=days - 1)).isoformat()
        return [self.reconciled(run) for run in takewhile(lambda run: run.created_at >= first_day, self.newest())]

    def newest(
        self, *, day: str | None = None, before: tuple[str, str] | None = None, rows_at_once: int = _ROWS_A_PAGE
    ) -> Iterator[Run]:
        """The rows of all runs, or of those made on a day, newest first; read as one goes on.

        `before` is the id and the creation of a run: only what follows it. Rows of runs that go on may be old, see
        `reconciled`.
        """
        made = Key("created_at").begins_with(day) if day else Key("created_at").gt(" ")
        query: dict[str, Any] = {
            "IndexName": "RunsByTime",
            "KeyConditionExpression": Key("sk").eq("META") & made,
            "ScanIndexForward": False,
            "Limit": rows_at_once,
        }
        if before:
            run_id, created_at = before
            query["ExclusiveStartKey"] = {"pk": f"RUN#{run_id}", "sk": "META", "created_at": created_at}
        while True:
            page = self._table.query(**query)
            yield from map(Run.of_item, page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def unfinished(self) -> list[Run]:
        """Every run whose row says that it goes on, oldest first; looks at the whole table."""
        found: list[Run] = []
        scan: dict[str, Any] = {
            "FilterExpression": Attr("sk").eq("META") & Attr("status").is_in(["PENDING", "RUNNING"]),
            "ConsistentRead": True,
        }
        while True:
            page = self._table.scan(**scan)
            found += [Run.of_item(item) for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                return sorted(found, key=lambda run: run.created_at)
            scan["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def create(self, run: Run, key: SubmissionKey | None = None) -> None:
        """Writes the row of a new run, and with it that its submission's key is used; an id is never used twice.

        Raises Conflict when the key was used before.
        """
        item = run.as_item()
        if key is None:
            self._table.put_item(Item=item, ConditionExpression="attribute_not_exists(pk)")
        else:
            put_both(self._table, key, item)

    def restart(self, before: Run, after: Run) -> bool:
        """Writes that a run goes on in another execution; False when somebody moved its row since it was `before`."""
        values = {
            ":pending": after.status,
            ":execution": after.execution_arn,
            ":parameters": dict(after.parameters),
            ":code": dict(after.code),
            ":redo": list(after.redo),
            ":made_since": dict(after.made_since),
            ":resumes": after.resumes,
            ":now": after.resumed_at,
            ":seen_status": before.status,
            ":seen_execution": before.execution_arn,
        }
        changes = (
            "#status = :pending, execution_arn = :execution, #parameters = :parameters, code = :code, redo = :redo"
        )
        try:
            self._table.update_item(
                Key={"pk": f"RUN#{after.run_id}", "sk": "META"},
                UpdateExpression=(
                    f"SET {changes}, made_since = :made_since, resumes = :resumes, resumed_at = :now "
                    "REMOVE reasons, reason, reason_count, started_at, stopped_at, cost"
                ),
                ConditionExpression="#status = :seen_status AND execution_arn = :seen_execution",
                ExpressionAttributeNames={"#status": "status", "#parameters": "parameters"},
                ExpressionAttributeValues=values,
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def finish(self, run: Run, status: str, reasons: list[str], *, stopped_at: str | None = None) -> bool:
        """Writes how a run ended with this execution; False when its row says already how, or it goes on in another."""
        try:
            self._table.update_item(
                Key={"pk": f"RUN#{run.run_id}", "sk": "META"},
                UpdateExpression=(
                    "SET #status = :status, stopped_at = :now, reasons = :reasons, reason_count = :reason_count"
                ),
                # A row only moves forward.
                ConditionExpression=(
                    "attribute_exists(pk) AND #status IN (:pending, :running)"
                    " AND (attribute_not_exists(execution_arn) OR execution_arn = :execution)"
                ),
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":status": status,
                    ":now": stopped_at or now(),
                    ":reasons": json.dumps(reasons),
                    ":reason_count": len(reasons),
                    ":pending": "PENDING",
                    ":running": "RUNNING",
                    ":execution": run.execution_arn,
                },
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def keep_cost(self, run: Run, cost: Mapping[str, Any]) -> None:
        """Writes what a settled run cost, unless it goes on in another execution by now."""
        try:
            self._table.update_item(
                Key={"pk": f"RUN#{run.run_id}", "sk": "META"},
                UpdateExpression="SET cost = :cost",
                ConditionExpression="settled = :settled AND execution_arn = :settled",
                ExpressionAttributeValues={":cost": json.dumps(dict(cost)), ":settled": run.settled},
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise

    def execution(self, execution_arn: str) -> Mapping[str, Any] | None:
        """What Step Functions says of an execution; None when it knows none (it forgets them 90 days after the end)."""
        try:
            found: Mapping[str, Any] = self._connection.client("stepfunctions").describe_execution(
                executionArn=execution_arn
            )
        except ClientError as error:
            if error_code(error) != "ExecutionDoesNotExist":
                raise
            return None
        return found

    def with_parameters(self, run: Run) -> Run:
        """The run with its parameters, which the row of an execution started by hand does not have."""
        if run.parameters:
            return run
        execution = self.execution(run.execution_arn) if run.execution_arn else None
        if execution is None:
            raise WrongInput(f"RUN: found run {run.run_id} without parameters; its execution is no longer known")
        given = {name: value for name, value in json.loads(execution["input"]).items() if name not in _NOT_PARAMETERS}
        return replace(run, parameters=given)

    def row(self, run_id: str) -> Run | None:
        """The run as its row says, or None."""
        item = self._table.get_item(Key={"pk": f"RUN#{run_id}", "sk": "META"}, ConsistentRead=True).get("Item")
        return Run.of_item(item) if item else None

    def reconciled(self, run: Run) -> Run:
        """The run with its status as it is now.

        Step Functions ends an execution after its last state, so a final one with an open row wrote nothing down.
        """
        if run.is_final:
            return run
        execution = self.execution(run.execution_arn) if run.execution_arn else None
        if execution is not None and (execution["status"] not in _OUTCOMES or was_interrupted(execution)):
            return run
        # The row may have been written between the two looks, or the index may be late.
        latest = self.row(run.run_id) or run
        if latest.is_final or (execution is None and _is_fresh(latest)):
            return latest
        status, reasons, stopped_at = _outcome(execution)
        self.finish(run, status, reasons, stopped_at=stopped_at)
        return self.row(run.run_id) or latest


_NOT_PARAMETERS = frozenset({"run_id", "input_etag", "job_definitions", "split_done", "redo", "made_since", "resumes"})
# A row is written before its execution is started.
_START_TAKES_S = 60


def _is_fresh(run: Run) -> bool:
    try:
        age = datetime.now(UTC) - datetime.fromisoformat(run.resumed_at or run.created_at)
    except ValueError:
        return False
    return age < timedelta(seconds=_START_TAKES_S)


def _outcome(execution: Mapping[str, Any] | None) -> tuple[str, list[str], str | None]:
    """Status, reasons and time of the end, from an execution that is over or unknown."""
    if execution is None:
        return "FAILED", ["its execution was never started, or is no longer known to Step Functions"], None
    ended = execution["status"]
    details = ": ".join(str(execution[name]) for name in ("error", "cause") if execution.get(name))
    stopped_at = execution.get("stopDate")
    text = as_text(stopped_at) if stopped_at else None
    if ended == "SUCCEEDED":
        return "SUCCEEDED", [], text
    words = {"TIMED_OUT": "its execution timed out", "ABORTED": "its execution was stopped"}
    reason = words.get(ended, "its execution failed")
    return _OUTCOMES[ended], [f"{reason}: {details}" if details else reason], text
