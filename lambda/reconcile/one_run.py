"""One run: what Step Functions and Batch say of it, held against its rows; the difference is sent as messages."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError
from groups import Groups
from open_runs import OpenRun
from platform_access import EXECUTION_CHANGED, Access, Record, client, job_message, now_text
from rows import ENDED, is_news, knows_end

FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")
# A Map whose execution was stopped submits its last jobs a little later.
QUIET = timedelta(minutes=2)
# A run whose row nobody made: of an execution that never got as far as its first states.
WITHOUT_ROW = timedelta(hours=1)


@dataclass(frozen=True)
class Done:
    """What was done about a run; `is_settled` when nothing of it can change any more."""

    sent: int
    ended_jobs: int
    is_settled: bool
    execution_arn: str | None


class RunReconciler:
    """Reconciles one run."""

    def __init__(self, access: Access, run: OpenRun) -> None:
        self._access = access
        self._run = run

    def reconcile(self) -> Done:
        """Sends what the rows do not say yet, and ends jobs when the run is over."""
        row = self._meta()
        if row is None:
            return Done(0, 0, self._is_long_over(), None)
        messages = [] if row["status"] in FINAL else self._end_of(row)
        architecture = (row.get("parameters") or {}).get("architecture")
        jobs = self._jobs(architecture)
        rows = self._task_rows()
        messages += self._missing(jobs, rows)
        groups = Groups(self._access, self._run.run_id, rows)
        messages += groups.missing([summary for _, summary in jobs])
        self._access.send(messages)
        going = [summary for _, summary in jobs if summary["status"] not in ENDED]
        ended = self._end_jobs(row, going) if row["status"] in FINAL else 0
        is_settled = row["status"] in FINAL and not messages and not going and _is_quiet(row)
        return Done(len(messages), ended, is_settled, row.get("execution_arn"))

    def _meta(self) -> Record | None:
        key = {"pk": f"RUN#{self._run.run_id}", "sk": "META"}
        found: Record | None = self._access.table.get_item(Key=key, ConsistentRead=True).get("Item")
        return found

    def _execution(self, arn: str) -> Record | None:
        """None for one that Step Functions does not know (any more: it forgets them 90 days after the end)."""
        try:
            found: Record = client("stepfunctions").describe_execution(executionArn=arn)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
                raise
            return None
        return found

    def _is_long_over(self) -> bool:
        execution = self._execution(self._run.execution_arn)
        return execution is None or execution.get("stopDate", datetime.now(UTC)) < datetime.now(UTC) - WITHOUT_ROW

    def _end_of(self, row: Record) -> list[dict[str, Any]]:
        """The event of an execution that has ended without its run's row saying so."""
        execution = self._execution(row["execution_arn"]) if row.get("execution_arn") else None
        if execution is None or execution["status"] == "RUNNING":
            return []
        told = ("executionArn", "name", "status", "stopDate", "error", "cause")
        detail = {name: execution[name] for name in told if name in execution}
        detail["input"] = json.dumps({"run_id": self._run.run_id})
        return [{"source": "hpc.reconcile", "detail-type": EXECUTION_CHANGED, "time": now_text(), "detail": detail}]

    def _jobs(self, architecture: str | None) -> list[tuple[tuple[str, int], Record]]:
        """The run's jobs with their tasks, oldest first.

        Not those of runs whose id begins as this one's, or differs in its case only: Batch's filter ignores the case.
        """
        name = re.compile(rf"{re.escape(self._run.run_id)}-(?P<state>[A-Za-z0-9_]+)-(?P<index>[0-9]+)")
        jobs = self._access.list_jobs(self._run.run_id, architecture)
        named = ((name.fullmatch(job["jobName"]), job) for job in jobs)
        return [((found["state"], int(found["index"])), job) for found, job in named if found]

    def _task_rows(self) -> dict[tuple[str, int], Record]:
        rows: dict[tuple[str, int], Record] = {}
        query: dict[str, Any] = {
            "KeyConditionExpression": Key("pk").eq(f"RUN#{self._run.run_id}") & Key("sk").begins_with("TASK#"),
            "ConsistentRead": True,
        }
        while True:
            page = self._access.table.query(**query)
            rows |= {(item["state"], int(item["index"])): item for item in page["Items"]}
            if "LastEvaluatedKey" not in page:
                return rows
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _missing(
        self, jobs: Sequence[tuple[tuple[str, int], Record]], rows: Mapping[tuple[str, int], Record]
    ) -> list[dict[str, Any]]:
        """Messages of single jobs that their rows do not tell of as they are."""
        tasks = {job["jobId"]: task for task, job in jobs}
        asked = [
            job["jobId"] for task, job in jobs if not job.get("arrayProperties") and not knows_end(rows.get(task), job)
        ]
        described = self._access.describe_jobs(asked)
        return [job_message(job) for job in described if is_news(rows.get(tasks[job["jobId"]]), job)]

    def _end_jobs(self, row: Record, going: Iterable[Record]) -> int:
        """Ends the jobs of a run that is over, unless it was resumed while they were looked for."""
        now = self._meta()
        if now is None or (now["status"], now.get("execution_arn")) != (row["status"], row.get("execution_arn")):
            return 0
        ended = 0
        for job in going:
            reason = f"run {self._run.run_id} is over ({row['status']})"
            client("batch").terminate_job(jobId=job["jobId"], reason=reason)
            ended += 1
        return ended


def _is_quiet(row: Record) -> bool:
    stopped_at = row.get("stopped_at")
    return not stopped_at or datetime.fromisoformat(stopped_at) < datetime.now(UTC) - QUIET
