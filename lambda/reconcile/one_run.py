"""One run: what Step Functions and Batch say of it, held against its rows; the difference is sent as messages."""

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

FINAL = ("SUCCEEDED", "FAILED", "CANCELLED")
ENDED = ("SUCCEEDED", "FAILED")
# A Map whose execution was stopped submits its last jobs a little later.
QUIET = timedelta(minutes=2)
# A run whose row nobody made: of an execution that never got as far as its first states.
WITHOUT_ROW = timedelta(hours=1)
NAME = re.compile(r"-(?P<state>[A-Za-z0-9_]+)-(?P<index>[0-9]+)")


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
        detail["input"] = f'{{"run_id": "{self._run.run_id}"}}'
        return [{"source": "hpc.reconcile", "detail-type": EXECUTION_CHANGED, "time": now_text(), "detail": detail}]

    def _jobs(self, architecture: str | None) -> list[tuple[tuple[str, int], Record]]:
        """The run's jobs with their tasks, oldest first; without those of runs whose id only begins as this one's."""
        start = len(self._run.run_id)
        named = (
            (NAME.fullmatch(job["jobName"], start), job)
            for job in self._access.list_jobs(self._run.run_id, architecture)
        )
        return [((name["state"], int(name["index"])), job) for name, job in named if name]

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
        newest = {task: job["jobId"] for task, job in jobs}
        asked = [
            (task, job["jobId"])
            for task, job in jobs
            if not job.get("arrayProperties") and not knows_end(rows.get(task), job)
        ]
        described = {job["jobId"]: job for job in self._access.describe_jobs(job_id for _, job_id in asked)}
        return [
            job_message(described[job_id])
            for task, job_id in asked
            if job_id in described
            and (described[job_id]["status"] in ENDED or newest[task] == job_id)
            and not is_as_told(rows.get(task), described[job_id])
        ]

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


def job_name(job: Record) -> str:
    """The attribute of a task's row that holds this job."""
    return f"job:{int(job['createdAt']):013d}:{job['jobId']}"


def knows_end(row: Record | None, job: Record) -> bool:
    """Whether a row has the job with its end, which does not change any more."""
    kept = (row or {}).get(job_name(job))
    return bool(job["status"] in ENDED and kept and kept["status"] == job["status"] and _points_at_or_past(row, job))


def is_as_told(row: Record | None, job: Record) -> bool:
    """Whether a row already says of its newest job what Batch says."""
    if row is None or row.get("job_id") != job["jobId"]:
        return knows_end(row, job)
    ended = sum(1 for attempt in job.get("attempts") or [] if attempt.get("stoppedAt"))
    status = "PENDING" if job["status"] == "SUBMITTED" else job["status"]
    told = sum(1 for attempt in row.get(job_name(job), {}).get("attempts", []) if attempt.get("stopped_at"))
    return (row["status"], told) == (status, ended)


def _points_at_or_past(row: Record | None, job: Record) -> bool:
    """Whether the row's newest job is this one or a later one, and if it is this one, is over as well."""
    if row is None:
        return False
    if row.get("job_id") == job["jobId"]:
        return bool(row["status"] == job["status"])
    return str(row["version"])[:13] >= f"{int(job['createdAt']):013d}"


def _is_quiet(row: Record) -> bool:
    stopped_at = row.get("stopped_at")
    return not stopped_at or datetime.fromisoformat(stopped_at) < datetime.now(UTC) - QUIET
