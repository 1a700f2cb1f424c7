"""Looks at objects in S3 that a run reads or writes: whether they can be read now, and how they will be called."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from hpc.connection import Connection, error_code
from hpc.errors import AccessDenied, WrongInput
from hpc.wording import quoted
from hpc.workflows import PROJECT, Workflow

# What Linux and macOS allow for a file's name; the outputs are written under names made of the input's.
MAX_FILE_NAME_BYTES = 255
RESTORE_DAYS = 7
_DENIED = frozenset({"403", "AccessDenied"})


@dataclass(frozen=True)
class Restoring:
    """How an archived object is read again.

    Times: https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html
    Prices (USD per GB retrieved, us-east-1): https://aws.amazon.com/s3/pricing/
    """

    tier_name: str
    standard_time: str
    standard_usd_per_gb: float
    bulk_time: str
    bulk_usd_per_gb: float


_RESTORING = {
    "GLACIER": Restoring("Glacier Flexible Retrieval", "3 to 5 hours", 0.01, "5 to 12 hours", 0.0),
    "DEEP_ARCHIVE": Restoring("Glacier Deep Archive", "up to 12 hours", 0.02, "up to 48 hours", 0.0025),
    "ARCHIVE_ACCESS": Restoring("Intelligent-Tiering Archive Access", "3 to 5 hours", 0.0, "5 to 12 hours", 0.0),
    "DEEP_ARCHIVE_ACCESS": Restoring(
        "Intelligent-Tiering Deep Archive Access", "up to 12 hours", 0.0, "up to 48 hours", 0.0
    ),
}


def check_output_names(workflow: Workflow, parameters: Mapping[str, Any], *, of_file: bool = True) -> None:
    """Refuses an input whose results, having longer names, could not be written on this machine; raises WrongInput.

    `of_file`: a file on this machine names them, else a parameter.
    """
    label, advice, named_by = "FILE", "rename the file", None
    if not of_file:
        named_by = workflow.upload.key_parameter if workflow.upload else PROJECT
        label = next(parameter.label for parameter in workflow.parameters if parameter.name == named_by)
        advice = "copy the object to a key with a shorter last part" if workflow.upload else "choose a shorter one"
    for key in workflow.output_keys(parameters).values():
        name = key.rpartition("/")[2]
        if len(name.encode()) > MAX_FILE_NAME_BYTES:
            raise WrongInput(
                f"{label}: its result would be called {quoted(name)}, {len(name.encode())} bytes; expected at most "
                f"{MAX_FILE_NAME_BYTES} bytes, what a file system allows; {advice}",
                field=named_by,
            )


def check_object(connection: Connection, bucket: str, key: str, *, field: str | None = None) -> Mapping[str, Any]:
    """What S3 says about an object that can be read now; raises WrongInput for one that is missing or archived.

    `field` is the parameter that named it.
    """
    head = head_object(connection, bucket, key, field=field)
    if problem := why_archived(bucket, key, head):
        raise WrongInput(problem, field=field)
    return head


def head_object(connection: Connection, bucket: str, key: str, *, field: str | None = None) -> Mapping[str, Any]:
    """What S3 says about an object; raises WrongInput when it is missing, AccessDenied when that may not be asked."""
    try:
        head: Mapping[str, Any] = connection.client("s3").head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        kind = AccessDenied if error_code(error) in _DENIED else WrongInput
        raise kind(_why_not_readable(connection, bucket, key, error), field=field) from error
    return head


def _why_not_readable(connection: Connection, bucket: str, key: str, error: ClientError) -> str:
    uri = quoted(f"s3://{bucket}/{key}", limit=200)
    if error_code(error) in _DENIED:
        return (
            f"{uri}: access denied; expected an object that your credentials may read (without permission to list the "
            "bucket, S3 says the same of a missing one); check the name, or ask the bucket's owner"
        )
    if error_code(error) == "400":
        return f"{uri}: S3 refuses to look for it; expected an object that exists; check its name"
    if error_code(error) not in {"404", "NoSuchKey", "NoSuchBucket"}:
        raise error
    if not _bucket_exists(connection, bucket):
        return f"{uri}: found no bucket of that name; expected one that exists; check its name"
    folder = "".join(key.rpartition("/")[:2])
    look = shlex.join(["aws", "s3", "ls", f"s3://{bucket}/{folder}"])
    return f"{uri}: found no such object; expected one that exists; look what is there: {look}"


def _bucket_exists(connection: Connection, bucket: str) -> bool:
    try:
        connection.client("s3").head_bucket(Bucket=bucket)
    except ClientError as error:
        return error_code(error) not in {"404", "NoSuchBucket"}
    return True


@dataclass(frozen=True)
class Archived:
    """An object that cannot be read now: what was found, and how to get at it."""

    found: str
    advice: str

    def __str__(self) -> str:
        return f"{self.found}{'; ' if self.advice[:1].islower() else '. '}{self.advice}"


def why_archived(bucket: str, key: str, head: Mapping[str, Any]) -> str | None:
    """How to get at an archived object, how long it takes and what it costs; None for one that can be read."""
    archived = find_archived(bucket, key, head)
    return None if archived is None else str(archived)


def find_archived(bucket: str, key: str, head: Mapping[str, Any]) -> Archived | None:
    """The same in two parts, from what HeadObject answered."""
    restoring = _RESTORING.get(head.get("ArchiveStatus") or head.get("StorageClass") or "")
    restore = head.get("Restore") or ""
    if restoring is None or 'ongoing-request="false"' in restore:
        return None
    uri = quoted(f"s3://{bucket}/{key}", limit=200)
    found = f"{uri}: found it archived in {restoring.tier_name}; expected an object that can be read"
    if 'ongoing-request="true"' in restore:
        return Archived(
            found,
            f"it is being restored ({restoring.standard_time} from the request): submit again when it is there",
        )
    gigabytes = head["ContentLength"] / 1e9
    # Objects of Intelligent-Tiering move back by themselves; a number of days is refused there.
    days = {} if head.get("ArchiveStatus") else {"Days": RESTORE_DAYS}
    request = json.dumps({**days, "GlacierJobParameters": {"Tier": "Standard"}})
    command = shlex.join(
        ["aws", "s3api", "restore-object", "--bucket", bucket, "--key", key, "--restore-request", request]
    )
    return Archived(
        found,
        f"Restore it, and submit again when it is there:\n  {command}\n"
        f"That takes {restoring.standard_time} and {_cost(gigabytes, restoring.standard_usd_per_gb)}; "
        f'with "Tier": "Bulk" it takes {restoring.bulk_time} and {_cost(gigabytes, restoring.bulk_usd_per_gb)}. '
        "The restored copy's storage comes on top (S3 Standard, per day).",
    )


def _cost(gigabytes: float, usd_per_gb: float) -> str:
    if usd_per_gb == 0:
        return "costs nothing"
    usd = gigabytes * usd_per_gb
    total = f"about {usd:.2f} USD" if usd >= 0.01 else "less than 0.01 USD"
    return f"costs {total} ({usd_per_gb:g} USD per GB)"
