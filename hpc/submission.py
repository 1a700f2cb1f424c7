"""Starts a run on what is in S3: every check that can be made before, the run's row, the execution. In this order."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from hpc import job_definitions, objects, stack
from hpc.checks.findings import COULD_NOT_LOOK
from hpc.connection import Connection, error_code
from hpc.cost.estimate import Estimate
from hpc.cost.report import Costs
from hpc.errors import Conflict, HpcError
from hpc.lease import Lease
from hpc.readiness import check_ready
from hpc.run import Run, now
from hpc.runs import Runs
from hpc.stack import Stack
from hpc.submission_keys import SubmissionKey, run_started_with
from hpc.workflows import PROJECT, Workflow


@dataclass(frozen=True)
class Checked:
    """A submission that nothing speaks against, with what was filled in, the input's ETag, and the run's jobs.

    `shards` are counted for a file of this machine only.
    """

    parameters: Mapping[str, Any]
    input_etag: str
    definitions: job_definitions.Definitions
    input_bytes: int = 0
    shards: int | None = None


def check(
    connection: Connection, deployed: Stack, workflow: Workflow, values: Mapping[str, Any], *, overwrite: bool
) -> Checked:
    """Makes every check that can be made before a run on an object that is in S3 (or on none, where none is read).

    `values` come from `parameters.validate`. Raises WrongInput, Conflict for a project that may not be written now,
    PlatformUnreachable when its jobs would wait for ever.
    """
    filled_in = with_output_bucket(workflow, values, deployed)
    stack.check_buckets(deployed, workflow, filled_in)
    etag, input_bytes = "", 0
    if workflow.upload:
        bucket, key = filled_in[workflow.upload.bucket_parameter], filled_in[workflow.upload.key_parameter]
        head = objects.check_object(connection, bucket, key, field=workflow.upload.key_parameter)
        etag, input_bytes = etag_of(head), int(head["ContentLength"])
    definitions = check_place(connection, deployed, workflow, filled_in, input_etag=etag, overwrite=overwrite)
    return Checked(filled_in, etag, definitions, input_bytes)


def check_place(
    connection: Connection,
    deployed: Stack,
    workflow: Workflow,
    parameters: Mapping[str, Any],
    *,
    input_etag: str,
    overwrite: bool,
) -> job_definitions.Definitions:
    """Whether the project is free and its jobs could start; gives the definitions of these jobs.

    `input_etag` is empty where the key tells the content. Raises Conflict or PlatformUnreachable.
    """
    lease = Lease(connection, deployed, parameters[PROJECT])
    lease.check(input_uri=workflow.input_uri(parameters), input_etag=input_etag, overwrite=overwrite)
    definitions = job_definitions.newest(connection, deployed, workflow)
    check_ready(connection, deployed, workflow, parameters.get("architecture"), definitions)
    return definitions


def submit_object(
    connection: Connection,
    deployed: Stack,
    workflow: Workflow,
    values: Mapping[str, Any],
    *,
    overwrite: bool,
    owner: str,
    key: SubmissionKey | None = None,
) -> Run:
    """Checks, and starts a run; raises Conflict when the key was used before."""
    checked = check(connection, deployed, workflow, values, overwrite=overwrite)
    return start(connection, deployed, workflow, checked, owner=owner, key=key)


def submit_once(
    connection: Connection,
    deployed: Stack,
    workflow: Workflow,
    values: Mapping[str, Any],
    *,
    overwrite: bool,
    key: SubmissionKey,
) -> tuple[Run, bool]:
    """The run that the key stands for, and whether it was started just now."""
    runs = Runs(connection, deployed.run_table)
    table = connection.table(deployed.run_table)
    if earlier := run_started_with(table, key):
        return runs.get(earlier), False
    try:
        started = submit_object(connection, deployed, workflow, values, overwrite=overwrite, owner=key.owner, key=key)
    except Conflict:
        # A request with the same key may have been faster: then its run is what made this one fail.
        if earlier := run_started_with(table, key):
            return runs.get(earlier), False
        raise
    return started, True


def start(
    connection: Connection,
    deployed: Stack,
    workflow: Workflow,
    checked: Checked,
    *,
    owner: str,
    key: SubmissionKey | None = None,
) -> Run:
    """Writes the run's row, then starts its execution; a run whose execution cannot be started is FAILED."""
    machine_arn = deployed.state_machine(workflow.name)
    expected = estimated(connection, deployed, workflow, checked)
    run_id = new_run_id()
    run = Run(
        run_id=run_id,
        workflow=workflow.name,
        project=str(checked.parameters[PROJECT]),
        status="PENDING",
        created_at=now(),
        execution_arn=execution_arn(machine_arn, run_id, 1),
        parameters=checked.parameters,
        shards=checked.shards,
        input_etag=checked.input_etag,
        code=job_definitions.code_ids(connection, checked.definitions),
        owner=owner,
        input_bytes=checked.input_bytes,
        estimate=expected.as_json() if expected else {},
    )
    runs = Runs(connection, deployed.run_table)
    runs.create(run, key)
    start_execution(connection, runs, run, machine_arn, job_definitions.arns_of(checked.definitions))
    return run


def estimated(connection: Connection, deployed: Stack, workflow: Workflow, checked: Checked) -> Estimate | None:
    """What the run is expected to cost; None when that cannot be asked for, which keeps nobody from starting it."""
    try:
        return Costs(connection, deployed, workflow).estimate(
            checked.parameters, checked.definitions, input_bytes=checked.input_bytes, shards=checked.shards
        )
    except COULD_NOT_LOOK:
        return None


def start_execution(
    connection: Connection, runs: Runs, run: Run, machine_arn: str, definitions: Mapping[str, str], **more: Any
) -> None:
    """Starts the execution that the run's row names; the run is FAILED when it cannot be started."""
    given = {**run.parameters, "run_id": run.run_id, "input_etag": run.input_etag, "job_definitions": definitions}
    try:
        connection.client("stepfunctions").start_execution(
            stateMachineArn=machine_arn, name=run.execution_arn.rpartition(":")[2], input=json.dumps({**given, **more})
        )
    except ClientError as error:
        reason = f"its execution could not be started: {error_code(error)}: {error.response['Error'].get('Message')}"
        runs.finish(run, "FAILED", [reason])
        raise HpcError(f"run {run.run_id}: {reason}") from error


def execution_arn(machine_arn: str, run_id: str, number: int) -> str:
    """The ARN of a run's execution, from 1; each resume is another one."""
    return f"{machine_arn.replace(':stateMachine:', ':execution:')}:{run_id}-{number}"


def new_run_id() -> str:
    """`<yyyymmdd>-<hhmmss>-<6 hex digits>`, in UTC: sorted by name they are sorted by time."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def with_output_bucket(workflow: Workflow, values: Mapping[str, Any], deployed: Stack) -> dict[str, Any]:
    """The parameters, and where results go when nobody said it: to the input's bucket, or the stack's own."""
    name = workflow.output_bucket_parameter
    return {**values, name: workflow.output_bucket(values) or deployed.bucket} if name else dict(values)


def etag_of(head: Mapping[str, Any]) -> str:
    """The ETag of what S3 said about an object, as rows have it: without quotes."""
    return str(head["ETag"]).strip('"')
