"""Looks at a run's input before anything is started: a file on this machine, or an object in S3."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from botocore.exceptions import ClientError

from hpc.connection import Connection, error_code
from hpc.errors import WrongInput
from hpc.local import platform
from hpc.wording import quoted, quoted_path
from hpc.workflows import PROJECT, Sharding, Workflow

MAX_FILE_NAME_CHARACTERS = 200
# What Linux and macOS allow for a file's name; the outputs are written under names made of the input's.
MAX_FILE_NAME_BYTES = 255
RESTORE_DAYS = 7
_CHUNK_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Scan:
    """What one pass over a file found.

    `long_line` is the number of the first line over the limit, None without one; `modified_ns` is the time of the
    file's last change before the pass.
    """

    bytes: int
    lines: int
    sha256: str
    long_line: int | None
    modified_ns: int = 0


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


def count_shards(lines: int, lines_per_shard: int) -> int:
    """ceil(lines / lines_per_shard), exactly."""
    return -(-lines // lines_per_shard)


def scan(stream: BinaryIO, *, max_line_bytes: int) -> Scan:
    """Counts and hashes `stream` in one pass and constant memory.

    `lines` counts line feeds, plus one for a last line without. A line's length is counted with its line feed.
    """
    # A line that lies within one chunk cannot be too long, so only lines that cross a border are measured.
    chunk_bytes = min(_CHUNK_BYTES, max_line_bytes)
    digest = hashlib.sha256()
    total = line_feeds = open_line_bytes = 0
    long_line: int | None = None
    while chunk := stream.read(chunk_bytes):
        digest.update(chunk)
        total += len(chunk)
        first = chunk.find(b"\n")
        open_line_bytes += len(chunk) if first < 0 else first + 1
        if long_line is None and open_line_bytes > max_line_bytes:
            long_line = line_feeds + 1
        if first >= 0:
            line_feeds += chunk.count(b"\n", first)
            open_line_bytes = len(chunk) - 1 - chunk.rfind(b"\n")
    return Scan(bytes=total, lines=line_feeds + (open_line_bytes > 0), sha256=digest.hexdigest(), long_line=long_line)


def check_file(path: Path, workflow: Workflow, *, on_laptop: bool) -> Scan:
    """Refuses a file that no run could work on, before it is uploaded; raises WrongInput."""
    check_file_name(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or pipe"
            raise WrongInput(f"FILE: found {quoted_path(path)}, {kind}; expected a regular file")
        if on_laptop:
            _check_room(path, status.st_size)
        with path.open("rb") as stream:
            limit = workflow.sharding.max_line_bytes if workflow.sharding else _CHUNK_BYTES
            return replace(scan(stream, max_line_bytes=limit), modified_ns=status.st_mtime_ns)
    except OSError as error:
        raise WrongInput(
            f"FILE: found {quoted_path(path)}: {error.strerror}; expected a regular file that you may read"
        ) from error


def _check_room(path: Path, size: int) -> None:
    """Refuses a file that the disk of the laptop platform has no room for; raises WrongInput."""
    folder = platform.state_dir()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    if size > free:
        raise WrongInput(
            f"FILE: found {quoted_path(path)} with {size} bytes; expected at most {free}, what is free on the disk of "
            f"{folder}; free some space, or choose a folder on another disk: HPC_STATE_DIR=DIR hpc up"
        )


def check_file_name(path: Path) -> None:
    """Refuses a name that is none on S3 or could not name the results; raises WrongInput."""
    name = path.name
    if name in {"", ".."}:
        raise WrongInput(f"FILE: found {quoted_path(path)}, a folder; expected a regular file")
    if any(unicodedata.category(c) in {"Cc", "Cs"} for c in name):
        raise WrongInput(
            f"FILE: found {quoted(name)}; expected a name in UTF-8 without control characters; rename the file"
        )
    if len(name) > MAX_FILE_NAME_CHARACTERS:
        raise WrongInput(
            f"FILE: found {quoted(name)}; expected a name of at most {MAX_FILE_NAME_CHARACTERS} characters; "
            "rename the file"
        )


def check_output_names(workflow: Workflow, parameters: Mapping[str, Any], *, of_file: bool = True) -> None:
    """Refuses an input whose results, having longer names, could not be written on this machine; raises WrongInput.

    `of_file`: a file on this machine names them, else a parameter.
    """
    label, advice = "FILE", "rename the file"
    if not of_file:
        named_by = workflow.upload.key_parameter if workflow.upload else PROJECT
        label = next(parameter.label for parameter in workflow.parameters if parameter.name == named_by)
        advice = "copy the object to a key with a shorter last part" if workflow.upload else "choose a shorter one"
    for key in workflow.output_keys(parameters).values():
        name = key.rpartition("/")[2]
        if len(name.encode()) > MAX_FILE_NAME_BYTES:
            raise WrongInput(
                f"{label}: its result would be called {quoted(name)}, {len(name.encode())} bytes; expected at most "
                f"{MAX_FILE_NAME_BYTES} bytes, what a file system allows; {advice}"
            )


def check_sharding(found: Scan, path: Path, sharding: Sharding, parameters: Mapping[str, Any], label: str) -> int:
    """The number of shards; raises WrongInput for too many of them, or for a line that no job could hold."""
    if found.long_line is not None:
        raise WrongInput(
            f"FILE: line {found.long_line} of {quoted_path(path)} is too long; expected lines of at most "
            f"{sharding.max_line_bytes} bytes ({sharding.max_line_bytes / 2**20:g} MiB), because a job holds a line in "
            "memory; cut that line"
        )
    lines_per_shard = int(parameters[sharding.lines_per_shard_parameter])
    shards = count_shards(found.lines, lines_per_shard)
    if shards > sharding.max_shards:
        raise WrongInput(
            f"{label}: found {lines_per_shard}, which makes {shards} shards of the {found.lines} lines; expected at "
            f"most {sharding.max_shards} shards; the smallest number that fits is "
            f"{count_shards(found.lines, sharding.max_shards)}"
        )
    return shards


def check_object(connection: Connection, bucket: str, key: str) -> Mapping[str, Any]:
    """What S3 says about an object that can be read now; raises WrongInput for one that is missing or archived."""
    try:
        head: Mapping[str, Any] = connection.client("s3").head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        raise WrongInput(_why_not_readable(connection, bucket, key, error)) from error
    if problem := why_archived(bucket, key, head):
        raise WrongInput(problem)
    return head


def _why_not_readable(connection: Connection, bucket: str, key: str, error: ClientError) -> str:
    uri = quoted(f"s3://{bucket}/{key}", limit=200)
    if error_code(error) in {"403", "AccessDenied"}:
        return (
            f"{uri}: access denied; expected an object that your credentials may read (without permission to list the "
            "bucket, S3 says the same of a missing one); check the name, or ask the bucket's owner"
        )
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


def why_archived(bucket: str, key: str, head: Mapping[str, Any]) -> str | None:
    """How to get at an archived object, how long it takes and what it costs; None for one that can be read."""
    restoring = _RESTORING.get(head.get("ArchiveStatus") or head.get("StorageClass") or "")
    restore = head.get("Restore") or ""
    if restoring is None or 'ongoing-request="false"' in restore:
        return None
    uri = quoted(f"s3://{bucket}/{key}", limit=200)
    found = f"{uri}: found it archived in {restoring.tier_name}; expected an object that can be read"
    if 'ongoing-request="true"' in restore:
        return (
            f"{found}; it is being restored ({restoring.standard_time} from the request): submit again when it is there"
        )
    gigabytes = head["ContentLength"] / 1e9
    # Objects of Intelligent-Tiering move back by themselves; a number of days is refused there.
    days = {} if head.get("ArchiveStatus") else {"Days": RESTORE_DAYS}
    request = json.dumps({**days, "GlacierJobParameters": {"Tier": "Standard"}})
    command = shlex.join(
        ["aws", "s3api", "restore-object", "--bucket", bucket, "--key", key, "--restore-request", request]
    )
    return (
        f"{found}. Restore it, and submit again when it is there:\n  {command}\n"
        f"That takes {restoring.standard_time} and {_cost(gigabytes, restoring.standard_usd_per_gb)}; "
        f'with "Tier": "Bulk" it takes {restoring.bulk_time} and {_cost(gigabytes, restoring.bulk_usd_per_gb)}. '
        "The restored copy's storage comes on top (S3 Standard, per day)."
    )


def _cost(gigabytes: float, usd_per_gb: float) -> str:
    if usd_per_gb == 0:
        return "costs nothing"
    usd = gigabytes * usd_per_gb
    total = f"about {usd:.2f} USD" if usd >= 0.01 else "less than 0.01 USD"
    return f"costs {total} ({usd_per_gb:g} USD per GB)"
