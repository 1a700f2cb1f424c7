"""A project's lease: two runs never write one result folder. The state machine takes it; here it is looked at."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from hpc.connection import Connection, error_code
from hpc.errors import Conflict
from hpc.jobs import unfinished_jobs
from hpc.runs import Runs
from hpc.stack import Stack
from hpc.wording import plural, quoted


class Lease:
    """The lease of one project, and the memory of which input its results are of."""

    def __init__(self, connection: Connection, stack: Stack, project: str) -> None:
        self._connection = connection
        self._stack = stack
        self._table = connection.table(stack.run_table)
        self._key = {"pk": f"LEASE#{project}", "sk": "LEASE"}
        self._project = project

    def check(self, *, input_uri: str, input_etag: str, overwrite: bool, run_id: str = "") -> None:
        """Refuses a run beside another one of the project, or over the results of another input; raises Conflict.

        The lease of a run that is over is taken away from it. `input_etag` is empty where the key tells the content;
        `run_id` is of a run that is resumed and may hold the lease itself.
        """
        row = self._table.get_item(Key=self._key, ConsistentRead=True).get("Item")
        if row is None:
            return
        holder = row.get("holder")
        if holder and holder != run_id:
            self._check_holder(holder, row.get("execution_arn", ""))
            self.give_back(holder, execution_arn=row.get("execution_arn", ""))
        if not overwrite:
            self._check_input(row, input_uri, input_etag)

    def give_back(self, run_id: str, *, execution_arn: str) -> bool:
        """Frees the project if that execution of that run holds the lease; False when it does not."""
        try:
            self._table.update_item(
                Key=self._key,
                UpdateExpression="REMOVE holder",
                ConditionExpression=(
                    "holder = :run AND (attribute_not_exists(execution_arn) OR execution_arn = :execution)"
                ),
                ExpressionAttributeValues={":run": run_id, ":execution": execution_arn},
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def _check_holder(self, holder: str, execution_arn: str) -> None:
        runs = Runs(self._connection, self._stack.run_table)
        run = runs.find(holder)
        if run is not None:
            going, status = not run.is_final, run.status
        else:
            execution = runs.execution(execution_arn) if execution_arn else None
            going, status = execution is not None and execution["status"] == "RUNNING", "RUNNING"
        if going:
            raise Conflict(
                f"project {self._project}: found run {holder} of it still going ({status}); expected none, because two "
                f"runs may not write the same results; wait for it: hpc show {holder} --watch; or end it: hpc cancel "
                f"{holder}; or choose another --project"
            )
        # An execution may be over before its jobs are.
        if jobs := unfinished_jobs(self._connection, self._stack.queues(None), holder):
            raise Conflict(
                f"project {self._project}: found {plural(len(jobs), 'job')} of run {holder} still going, though the "
                f"run is over; expected none; end them: hpc cancel {holder}"
            )

    def _check_input(self, row: dict[str, Any], input_uri: str, input_etag: str) -> None:
        last_uri, last_etag = row.get("input_uri", ""), row.get("input_etag", "")
        advice = "choose another --project, or replace them: --overwrite"
        if last_uri and last_uri != input_uri:
            raise Conflict(
                f"project {self._project}: found results of another input, {quoted(last_uri, limit=800)}; expected "
                f"those of this run's input, {quoted(input_uri, limit=800)}; {advice}"
            )
        if last_uri and last_etag and input_etag and last_etag != input_etag:
            raise Conflict(
                f"project {self._project}: found results of another version of {quoted(input_uri, limit=800)} (ETag "
                f"{last_etag}); expected those of the one that is there now (ETag {input_etag}); {advice}"
            )
