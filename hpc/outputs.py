"""The outputs of a run that succeeded, where they lie in S3: only its own, and only as it left them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hpc import stack
from hpc.connection import Connection
from hpc.errors import Conflict, NotSucceeded
from hpc.objects import check_object
from hpc.run import Run
from hpc.stack import Stack
from hpc.tasks import Tasks
from hpc.workflows import Workflow


@dataclass(frozen=True)
class StoredOutput:
    """An output in S3."""

    name: str
    title: str
    bucket: str
    key: str
    bytes: int

    @property
    def file_name(self) -> str:
        return self.key.rpartition("/")[2]


def check_succeeded(run: Run) -> None:
    """Raises Conflict for a run that goes on, NotSucceeded for one that ended otherwise."""
    if not run.is_final:
        raise Conflict(
            f"run {run.run_id}: found it {run.status}; expected SUCCEEDED; wait for it: hpc show {run.run_id} --watch"
        )
    if run.status != "SUCCEEDED":
        raise NotSucceeded(
            f"run {run.run_id}: found it {run.status}; expected SUCCEEDED, there are no checked results; see why: "
            f"hpc show {run.run_id}"
        )


def recorded_outputs(workflow: Workflow, tasks: Tasks) -> dict[str, Mapping[str, Any]]:
    """What the steps that write the outputs recorded of them, by key."""
    found = {}
    for step in workflow.steps:
        record = None if step.fan_out else tasks.read_record(f"{step.state}.json")
        if record and "merged" in record:
            found[record["merged"]["key"]] = record["merged"]
    return found


def stored_outputs(connection: Connection, deployed: Stack, workflow: Workflow, run: Run) -> list[StoredOutput]:
    """The outputs of a run that succeeded. `run` must have its parameters.

    Raises what `check_succeeded` does; Conflict when a later run of the project has replaced one, WrongInput for one
    that is gone or archived, or that lies where the platform's jobs may not write.
    """
    check_succeeded(run)
    stack.check_buckets(deployed, workflow, run.parameters)
    recorded = recorded_outputs(workflow, Tasks(connection, deployed, workflow, run))
    bucket = workflow.output_bucket(run.parameters)
    keys = workflow.output_keys(run.parameters)
    found = []
    for output in workflow.outputs:
        key = keys[output.name]
        head = check_object(connection, bucket, key)
        written, etag = recorded.get(key, {}).get("etag"), head["ETag"]
        if written and written.strip('"') != etag.strip('"'):
            raise Conflict(
                f"run {run.run_id}: found s3://{bucket}/{key} with another content than the run wrote; expected ETag "
                f"{written}; a later run of project {run.project} replaced it, so fetch that one's (hpc runs)"
            )
        found.append(StoredOutput(output.name, output.title, bucket, key, int(head["ContentLength"])))
    return found


def download_url(connection: Connection, output: StoredOutput, *, expires_s: int) -> str:
    """A URL with which anybody can download this one object for a while; a browser saves it and never shows it."""
    disposition = f"attachment; filename*=UTF-8''{quote(output.file_name, safe='')}"
    parameters = {"Bucket": output.bucket, "Key": output.key, "ResponseContentDisposition": disposition}
    url: str = connection.client("s3").generate_presigned_url("get_object", Params=parameters, ExpiresIn=expires_s)
    return url
