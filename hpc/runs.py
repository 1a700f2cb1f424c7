"""Runs as people see them: the rows of the run table, held against what Step Functions says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

from hpc.connection import Connection, error_code, plain
from hpc.errors import NotFound, WrongInput
from hpc.submission_keys import SubmissionKey, put_both
from hpc.wording import quoted

# The error of an execution that the laptop platform's own end interrupted: its run goes on when that is up again.
INTERRUPTED = "HpcPlatform.Interrupted"
_ROWS_A_PAGE = 100
FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
# What a run is whose execution ended without having written it down.
_OUTCOMES = {"SUCCEEDED": "SUCCEEDED", "FAILED": "FAILED", "TIMED_OUT": "FAILED", "ABORTED": "CANCELLED"}
# Ids that a submission makes; and the names of executions that a person started by hand, which serve as run ids too.
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


@dataclass(frozen=True)
class Run:
    """A run's row; times are ISO 8601 in UTC, empty until they are known.

    `code` has an id of the code of each job. `redo` are the states that the newest execution makes anew, `made_since`
    those that earlier ones did, each with the start of that execution: older records of them do not count. `owner` is
    the principal who submitted it; empty for an execution that a person started by hand. `input_bytes` is 0 when not
    known; `estimate` and `cost` are as `hpc.cost` made them. `settled` is the execution after which the rows of tasks
    were found to be what they stay.
    """

    run_id: str
    workflow: str
    project: str
    status: str
    created_at: str
    started_at: str = ""
    stopped_at: str = ""
    execution_arn: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    reason_count: int = 0
    shards: int | None = None
    input_etag: str = ""
    code: Mapping[str, str] = field(default_factory=dict)
    redo: tuple[str, ...] = ()
    made_since: Mapping[str, str] = field(default_factory=dict)
    resumes: int = 0
    resumed_at: str = ""
    owner: str = ""
    input_bytes: int = 0
    estimate: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, Any] = field(default_factory=dict)
    settled: str = ""

    @property
    def is_settled(self) -> bool:
        """Whether nothing of the run can change any more, its tasks' rows included."""
        return self.is_final and bool(self.settled) and self.settled == self.execution_arn

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    def as_json(self) -> dict[str, Any]:
        """The run for scripts; what is not known is null."""
        return {
            "run_id": self.run_id,
            "workflow": self.workflow,
            "project": self.project,
            "status": self.status,
            "owner": self.owner or None,
            "created_at": self.created_at,
            "started_at": self.started_at or None,
            "stopped_at": self.stopped_at or None,
            "parameters": dict(self.parameters),
            "reasons": list(self.reasons),
            "reason_count": self.reason_count,
            "resumes": self.resumes,
        }


def is_run_id(text: str) -> bool:
    """Whether a text could be a run's id."""
    return _RUN_ID.fullmatch(text) is not None


def check_run_id(text: str) -> str:
    """`text`, if it could be a run's id; raises WrongInput."""
    if not is_run_id(text):
        raise WrongInput(
            f"RUN: found {quoted(text)}; expected a run's id such as 20260131-093000-1a2b3c; see: hpc runs"
        )
    return text


def now() -> str:
    """The time as rows have it, to the millisecond."""
    return as_text(datetime.now(UTC))


def as_text(moment: datetime) -> str:
    """A time as rows have it: `2026-01-31T09:30:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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

    def newest(self, *, day: str | None = None, before: tuple[str, str] | None = None) -> Iterator[Run]:
        """The rows of all runs, or of those made on a day, newest first; read as one goes on.

        `before` is the id and the creation of a run: only what follows it. Rows of runs that go on may be old, see
        `reconciled`.
        """
        made = Key("created_at").begins_with(day) if day else Key("created_at").gt(" ")
        query: dict[str, Any] = {
            "IndexName": "RunsByTime",
            "KeyConditionExpression": Key("sk").eq("META") & made,
            "ScanIndexForward": False,
            "Limit": _ROWS_A_PAGE,
        }
        if before:
            run_id, created_at = before
            query["ExclusiveStartKey"] = {"pk": f"RUN#{run_id}", "sk": "META", "created_at": created_at}
        while True:
            page = self._table.query(**query)
            yield from map(_parse, page["Items"])
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
            found += [_parse(item) for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                return sorted(found, key=lambda run: run.created_at)
            scan["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def create(self, run: Run, key: SubmissionKey | None = None) -> None:
        """Writes the row of a new run, and with it that its submission's key is used; an id is never used twice.

        Raises Conflict when the key was used before.
        """
        item: dict[str, Any] = {
            "pk": f"RUN#{run.run_id}",
            "sk": "META",
            "status": run.status,
            "workflow": run.workflow,
            "project": run.project,
            "created_at": run.created_at,
            "execution_arn": run.execution_arn,
            "parameters": dict(run.parameters),
            "input_etag": run.input_etag,
            "code": dict(run.code),
        }
        if run.shards is not None:
            item["shards"] = run.shards
        if run.owner:
            item["owner"] = run.owner
        if run.input_bytes:
            item["input_bytes"] = run.input_bytes
        if run.estimate:
            item["estimate"] = json.dumps(dict(run.estimate))
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
        return _parse(item) if item else None

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


def _parse(item: Mapping[str, Any]) -> Run:
    """A row, whoever wrote it; the state machine writes fewer attributes than a submission."""
    reasons = [str(reason) for reason in _list(item.get("reasons"))]
    if item.get("reason"):
        reasons.insert(0, str(item["reason"]))
    shards = item.get("shards")
    return Run(
        run_id=item["pk"].removeprefix("RUN#"),
        workflow=item.get("workflow", ""),
        project=item.get("project", ""),
        status=item.get("status", "PENDING"),
        created_at=item.get("created_at", ""),
        started_at=item.get("started_at", ""),
        stopped_at=item.get("stopped_at", ""),
        execution_arn=item.get("execution_arn", ""),
        parameters=plain(item.get("parameters", {})),
        reasons=tuple(reasons),
        reason_count=max(int(item.get("reason_count", 0)), len(reasons)),
        shards=None if shards is None else int(shards),
        input_etag=item.get("input_etag", ""),
        code=dict(item.get("code", {})),
        redo=tuple(item.get("redo", ())),
        made_since=dict(item.get("made_since", {})),
        resumes=int(item.get("resumes", 0)),
        resumed_at=item.get("resumed_at", ""),
        owner=item.get("owner", ""),
        input_bytes=int(item.get("input_bytes", 0)),
        estimate=json.loads(item.get("estimate", "{}")),
        cost=json.loads(item.get("cost", "{}")),
        settled=item.get("settled", ""),
    )


def _list(text: Any) -> list[Any]:
    try:
        value = json.loads(text) if text else []
    except (TypeError, ValueError):
        return [text]
    return value if isinstance(value, list) else [value]
