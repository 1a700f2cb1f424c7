"""Looks at an input that is a file on this machine, before it is uploaded."""

from __future__ import annotations

import hashlib
import shutil
import stat
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from hpc.errors import WrongInput
from hpc.local import platform
from hpc.wording import quoted, quoted_path
from hpc.workflows import Sharding, Workflow

MAX_FILE_NAME_CHARACTERS = 200
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
