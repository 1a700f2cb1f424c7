"""Starts a run on a file of this machine: checks it, uploads it, and goes on as with an object that was there."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from hpc import inputs, objects, parameters, stack
from hpc.connection import Connection, caller, error_code
from hpc.errors import WrongInput
from hpc.inputs import Scan
from hpc.run import Run
from hpc.stack import Stack
from hpc.submission import Checked, check_place, etag_of, start, with_output_bucket
from hpc.wording import quoted, quoted_path
from hpc.workflows import PROJECT, Workflow

_SHA256_DIGITS_IN_KEY = 12


@dataclass(frozen=True)
class LocalInput:
    """A checked file on this machine; `shards` is None for a workflow that makes none."""

    path: Path
    scan: Scan
    shards: int | None


def check_local(
    workflow: Workflow, given: Mapping[str, Any], path: Path, *, on_laptop: bool
) -> tuple[dict[str, Any], LocalInput]:
    """The run's parameters and the checked file, without talking to any platform; raises WrongInput.

    The parameter of the bucket is filled in by `submit_file`, which is given the stack.
    """
    if workflow.upload is None:
        raise WrongInput(f"FILE: found {quoted_path(path)}; expected none, workflow {workflow.name} takes no file")
    for name in workflow.upload_parameters:
        if given.get(name) is not None:
            raise WrongInput(
                f"{name}: found {quoted(given[name])} beside FILE; expected one of both; leave FILE out to work on an "
                "object that is in S3"
            )
    inputs.check_file_name(path)
    # Both stand for what the upload fills in, so that all the other parameters are judged before the file is read.
    bucket, key = "to-be-filled-in", f"{workflow.upload.prefix}{path.name}"
    filled_in = {workflow.upload.bucket_parameter: bucket, workflow.upload.key_parameter: key}
    values = parameters.validate(workflow, {**given, **filled_in})
    scan = inputs.check_file(path, workflow, on_laptop=on_laptop)
    shards = None
    if workflow.sharding:
        name = workflow.sharding.lines_per_shard_parameter
        label = next(parameter.label for parameter in workflow.parameters if parameter.name == name)
        shards = inputs.check_sharding(scan, path, workflow.sharding, values, label)
    key = f"{workflow.upload.prefix}{values[PROJECT]}/{scan.sha256[:_SHA256_DIGITS_IN_KEY]}/{path.name}"
    values = parameters.validate(workflow, {**values, **filled_in, workflow.upload.key_parameter: key})
    return values, LocalInput(path=path, scan=scan, shards=shards)


def submit_file(
    connection: Connection,
    deployed: Stack,
    workflow: Workflow,
    values: Mapping[str, Any],
    local: LocalInput,
    *,
    overwrite: bool,
    say: Callable[[str], None],
) -> Run:
    """Uploads the file and starts a run on it; `values` and `local` come from `check_local`."""
    if workflow.upload is None:
        raise WrongInput(f"workflow {workflow.name} takes no file")
    filled_in = with_output_bucket(workflow, {**values, workflow.upload.bucket_parameter: deployed.bucket}, deployed)
    stack.check_buckets(deployed, workflow, filled_in)
    # The key holds the content's checksum, so the ETag, which is not known before the upload, tells nothing more.
    definitions = check_place(connection, deployed, workflow, filled_in, input_etag="", overwrite=overwrite)
    etag = upload(connection, local, deployed.bucket, str(filled_in[workflow.upload.key_parameter]), say=say)
    checked = Checked(filled_in, etag, definitions, local.scan.bytes, local.shards)
    return start(connection, deployed, workflow, checked, owner=caller(connection))


def upload(connection: Connection, local: LocalInput, bucket: str, key: str, *, say: Callable[[str], None]) -> str:
    """Puts the file into S3, unless its content is there already and can be read; gives the object's ETag."""
    s3 = connection.client("s3")
    head = _head(connection, bucket, key)
    if head is None or not _is_copy(head, local.scan) or objects.why_archived(bucket, key, head):
        say(f"Uploading {quoted(local.path.name)} ({local.scan.bytes / 1e6:,.1f} MB) to s3://{bucket}/{key}")
        metadata = {"ContentType": mimetypes.guess_type(local.path.name)[0] or "application/octet-stream"}
        try:
            s3.upload_file(
                str(local.path), bucket, key, ExtraArgs={**metadata, "Metadata": {"sha256": local.scan.sha256}}
            )
        except OSError as error:
            raise WrongInput(f"FILE: found {quoted_path(local.path)}: {error.strerror}; it was there before") from error
        head = objects.check_object(connection, bucket, key)
        if head["ContentLength"] != local.scan.bytes or local.path.stat().st_mtime_ns != local.scan.modified_ns:
            s3.delete_object(Bucket=bucket, Key=key)
            raise WrongInput(
                f"FILE: found {quoted_path(local.path)} changed during the upload; expected it to stay as it is; "
                "submit it again when nothing writes to it"
            )
    return etag_of(head)


def _head(connection: Connection, bucket: str, key: str) -> Mapping[str, Any] | None:
    try:
        head: Mapping[str, Any] = connection.client("s3").head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        # 403: without permission to list the bucket, S3 says so of a missing object.
        if error_code(error) not in {"404", "403"}:
            raise
        return None
    return head


def _is_copy(head: Mapping[str, Any], scan: Scan) -> bool:
    return (head["ContentLength"], head.get("Metadata", {}).get("sha256")) == (scan.bytes, scan.sha256)
