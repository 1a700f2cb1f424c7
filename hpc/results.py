"""Fetches a run's outputs: each whole or not at all, and only if they are that run's."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import ClientError

from hpc.connection import Connection
from hpc.errors import Conflict, HpcError, WrongInput
from hpc.objects import check_object
from hpc.outputs import check_succeeded, recorded_outputs
from hpc.run import Run
from hpc.stack import Stack
from hpc.tasks import Tasks
from hpc.wording import printable, quoted_path
from hpc.workflows import Workflow

_CHUNK_BYTES = 2**20
_FIRST_LINE_CHARACTERS = 60


@dataclass(frozen=True)
class Result:
    """A fetched output; `lines` is None where no job recorded it."""

    name: str
    title: str
    path: Path
    bytes: int
    lines: int | None
    first_line: str


def prepare_directory(path: Path) -> None:
    """Makes the folder for the outputs, and finds out now whether files can be written there; raises WrongInput."""
    probe = path / f".hpc-{secrets.token_hex(4)}.part"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise WrongInput(
            f"--output: found {quoted_path(path)}: {error.strerror}; expected a folder that you may write, or may make"
        ) from error


def fetch(connection: Connection, stack: Stack, workflow: Workflow, run: Run, directory: Path) -> list[Result]:
    """Writes the outputs of a run that succeeded to `directory`, under the last parts of their keys.

    A file of that name is replaced, at once and only by a whole one. Raises WrongInput for a run that goes on,
    NotSucceeded for one that failed, Conflict for one whose outputs a later run of the project has replaced.
    """
    check_succeeded(run)
    prepare_directory(directory)
    tasks = Tasks(connection, stack, workflow, run)
    recorded = recorded_outputs(workflow, tasks)
    bucket = workflow.output_bucket(run.parameters)
    keys = workflow.output_keys(run.parameters)
    results = []
    for output in workflow.outputs:
        key = keys[output.name]
        expected = recorded.get(key, {})
        path = directory / key.rpartition("/")[2]
        size = _download(connection, bucket, key, path, run=run, sha256=expected.get("sha256"))
        results.append(
            Result(
                name=output.name,
                title=output.title,
                path=path,
                bytes=size,
                lines=expected.get("lines"),
                first_line=first_line(path),
            )
        )
    return results


def first_line(path: Path) -> str:
    """The beginning of a file's first line, safe to print."""
    # Four bytes a character at most; one more character tells that the line goes on.
    with path.open("rb") as file:
        start = file.read(4 * (_FIRST_LINE_CHARACTERS + 1))
    line, line_feed, _ = start.partition(b"\n")
    text = line.removesuffix(b"\r").decode("utf-8", "backslashreplace")
    is_cut = len(text) > _FIRST_LINE_CHARACTERS or (not line_feed and path.stat().st_size > len(start))
    return printable(text[:_FIRST_LINE_CHARACTERS]) + ("..." if is_cut else "")


def _download(connection: Connection, bucket: str, key: str, path: Path, *, run: Run, sha256: str | None) -> int:
    """Streams an object to a temporary file beside `path` and renames it; gives its size in bytes."""
    check_object(connection, bucket, key)
    temporary = path.with_name(f".hpc-{secrets.token_hex(4)}.part")
    digest = hashlib.sha256()
    try:
        body = connection.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
        with temporary.open("xb") as file:
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                digest.update(chunk)
                file.write(chunk)
            size = file.tell()
        if sha256 and digest.hexdigest() != sha256:
            raise Conflict(
                f"run {run.run_id}: found s3://{bucket}/{key} with another content than the run wrote; expected "
                f"SHA-256 {sha256}; a later run of project {run.project} replaced it, so fetch that one's (hpc runs)"
            )
        temporary.replace(path)
    except ClientError as error:
        raise HpcError(f"s3://{bucket}/{key} cannot be read: {error.response['Error'].get('Message')}") from error
    except OSError as error:
        raise WrongInput(
            f"--output: {quoted_path(path)} cannot be written: {error.strerror}; expected room and a file name that is "
            "free"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return size
