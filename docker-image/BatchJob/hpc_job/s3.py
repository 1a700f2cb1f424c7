"""S3's client, and what its errors mean to the person who started the run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session, get_session

from hpc_job.errors import InputError, JobError
from hpc_job.prepared_client import PreparedClient

PREPARED: list[PreparedClient] = []  # one at most; a container makes none
INTERMEDIATE_TAG = "retention=intermediate"  # the bucket's lifecycle lets objects with this tag expire after some days

FORBIDDEN = {"AccessDenied", "AllAccessDisabled", "403"}
MISSING = {"NoSuchKey", "404"}
CHANGED = {"PreconditionFailed", "412"}


@dataclass(frozen=True)
class Restore:
    """How an archived object is brought back; `cost` is the list price of a standard retrieval in us-east-1.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html
    Source: https://aws.amazon.com/s3/pricing/
    """

    request: str
    duration: str
    cost: str


FROM_GLACIER = Restore(
    request="Days=7,GlacierJobParameters={Tier=Standard}",
    duration="3 to 5 hours (Tier=Bulk: 5 to 12 hours)",
    cost="about 0.01 USD a GB (Tier=Bulk: nothing), and storage of the copy for these days",
)
FROM_DEEP_ARCHIVE = Restore(
    request="Days=7,GlacierJobParameters={Tier=Standard}",
    duration="up to 12 hours (Tier=Bulk: up to 48 hours)",
    cost="about 0.02 USD a GB (Tier=Bulk: 0.0025 USD), and storage of the copy for these days",
)
FROM_INTELLIGENT_TIERING = Restore(
    request="GlacierJobParameters={Tier=Standard}",
    duration="3 to 5 hours, from its deep archive tier up to 12 hours",
    cost="nothing, only storage in the frequent access tier",
)
RESTORES: Mapping[str, Restore] = {
    "GLACIER": FROM_GLACIER,
    "DEEP_ARCHIVE": FROM_DEEP_ARCHIVE,
    "INTELLIGENT_TIERING": FROM_INTELLIGENT_TIERING,
}


def s3_client(environment: Mapping[str, str]) -> Any:
    """Client with the credentials, region and endpoint of the environment; throttling and faults are retried.

    The same client as boto3's, made by botocore: a job of a small shard spends most of its time on imports, and
    boto3's own take 0.2 s. Region: Batch may set AWS_REGION, which botocore does not read.
    """
    prepared = PREPARED[0].with_keys(environment) if PREPARED else None
    return prepared or new_client(get_session(), environment)


def prepare_client(environment: Mapping[str, str]) -> Any:
    """Makes the client that later jobs of this process or its forks get when their settings are the same."""
    PREPARED[:] = [PreparedClient.of(environment, lambda session: new_client(session, environment))]
    return PREPARED[0].client


def new_client(session: Session, environment: Mapping[str, str]) -> Any:
    return session.create_client(
        "s3",
        region_name=environment.get("AWS_REGION") or None,
        config=Config(
            retries={"mode": "standard", "max_attempts": 10},
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=32,
            user_agent_extra="hpc-job",
        ),
    )


@contextmanager
def reading(bucket: str, key: str, name: str) -> Iterator[None]:
    """Turns S3's errors of a read into InputError or JobError; `name` says what the object is to the job."""
    try:
        yield
    except ClientError as error:
        raise unreadable(error, bucket, key, name) from error


@contextmanager
def reading_recorded(bucket: str, key: str, name: str) -> Iterator[None]:
    """Like `reading`, of an object in the version that its job recorded; InputError when it has changed since.

    Permanent: the record counts the object as made, so no other try of this run would make it again.
    """
    try:
        yield
    except ClientError as error:
        if error_code(error) in CHANGED:
            raise InputError(
                f"{name} s3://{bucket}/{key}: found that it was changed after its job recorded it, expected the "
                "version that was recorded; start a new run of this project"
            ) from error
        raise unreadable(error, bucket, key, name) from error


@contextmanager
def writing(bucket: str, key: str) -> Iterator[None]:
    """Turns S3's errors of a write into InputError or JobError."""
    try:
        yield
    except ClientError as error:
        raise unwritable(error, bucket, key) from error


def unreadable(error: ClientError, bucket: str, key: str, name: str) -> JobError:
    """What a failed read means.

    Without permission to list, S3 answers 403 for a key that does not exist: it then tells no one whether it does.
    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    code = error_code(error)
    uri = f"s3://{bucket}/{key}"
    wrong = wrong_input(code, bucket)
    if wrong:
        return InputError(f"{name} {uri}: {wrong}")
    if code == "InvalidObjectState":
        return archived(error, bucket, key, name)
    if code in CHANGED:
        return JobError(
            f"{name} {uri}: found that it was changed while it was read, expected it to stay as it is during a run; "
            "start the run again"
        )
    return JobError(f"{name} {uri}: could not be read: {described(error)}")


def wrong_input(code: str, bucket: str) -> str | None:
    """What was found and what is expected, for an error that stays however often one reads; None for any other."""
    if code == "NoSuchBucket":
        return f"found no bucket {bucket}, expected an object that this job may read; check the bucket"
    if code in MISSING:
        return "found no such object, expected an object that this job may read; check bucket and key"
    if code in FORBIDDEN:
        return (
            "found that it does not exist or may not be read (access denied), expected an object that "
            "this job may read; check bucket and key, and that the deployment's settings allow them to jobs"
        )
    if code == "InvalidRange":
        return "found that it ends before the bytes that were asked for, expected a longer object"
    return None


def archived(error: ClientError, bucket: str, key: str, name: str) -> InputError:
    storage_class = error.response.get("Error", {}).get("StorageClass") or "GLACIER"
    restore = RESTORES.get(storage_class, FROM_GLACIER)
    command = (
        f"aws s3api restore-object --bucket {bucket} --key {shlex.quote(key)} --restore-request '{restore.request}'"
    )
    return InputError(
        f"{name} s3://{bucket}/{key}: found it archived (storage class {storage_class}), expected an object that can "
        f"be read at once; restore it with: {command} ; this takes {restore.duration} and costs {restore.cost}; "
        "then start the run again"
    )


def unwritable(error: ClientError, bucket: str, key: str) -> JobError:
    """What a failed write means: a missing or denied output bucket stays so, all else may pass."""
    code = error_code(error)
    uri = f"s3://{bucket}/{key}"
    if code == "NoSuchBucket":
        return InputError(
            f"output {uri}: found no bucket {bucket}, expected a bucket that this job may write; check the bucket"
        )
    if code in FORBIDDEN:
        return InputError(
            f"output {uri}: found that it may not be written (access denied), expected a bucket that this job may "
            "write; check that the deployment's settings allow it to jobs"
        )
    return JobError(f"output {uri}: could not be written: {described(error)}")


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def described(error: ClientError) -> str:
    """AWS's code and text of an error, and the operation."""
    return f"{error_code(error)}: {error.response.get('Error', {}).get('Message', '')} ({error.operation_name})"
