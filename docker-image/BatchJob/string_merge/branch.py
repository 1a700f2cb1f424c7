"""A branch of the run: its shards as the split recorded them, their outputs, and what is missing of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

from hpc_job.environment import SPLIT_STATE, Job
from hpc_job.errors import InputError, JobError
from hpc_job.object_reader import read_json
from hpc_job.s3 import reading
from string_merge.in_order import in_order

RECORDS_AT_ONCE = 32  # as many as the client has connections
BEGINNING = datetime.fromtimestamp(0, UTC)
FAILED = ".failed"  # before .json, in the key of a failure record
NO_RECORD = "no record: the job did not finish (its log tells why)"


@dataclass(frozen=True)
class Branch:
    """One branch's state, the prefix of its outputs, and how many times each line's text is in them.

    `keeps_terminators` when an output's terminators count as its shard's. Reverse brings a CR from a line's start to
    its end, where it counts as part of the terminator: `CR ab LF` becomes `ba CRLF`. Records count from
    `made_since` on: a resumed run makes anew what other code has made.
    """

    state: str
    prefix: str
    copies: int
    keeps_terminators: bool
    made_since: datetime = BEGINNING

    def output_key(self, job: Job, shard: str) -> str:
        return job.key(f"{self.prefix}_{shard}", state=self.state)


BRANCHES = {
    branch.state: branch
    for branch in (
        Branch(state="String_Repeat", prefix="repeat", copies=2, keeps_terminators=True),
        Branch(state="String_Reverse", prefix="reverse", copies=1, keeps_terminators=False),
    )
}


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard as the split wrote it; `lines` counts a last one without a terminator."""

    index: int
    name: str
    bytes: int
    lines: int
    terminator_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Output:
    """What a branch made of a shard, as its job recorded it."""

    index: int
    shard: str
    key: str
    bytes: int
    lines: int
    terminator_bytes: int
    sha256: str
    source_sha256: str
    etag: str

    def as_record(self) -> dict[str, Any]:
        """Its entry in the merge's record."""
        return {name: getattr(self, name) for name in self.__slots__}


def read_branch(environment: Mapping[str, str]) -> Branch:
    """Raises InputError when SHARD_STATE names no branch, or MADE_SINCE is no time (without it every record counts)."""
    state = environment.get("SHARD_STATE", "")
    if state not in BRANCHES:
        raise InputError(f"SHARD_STATE: found {state!r:.200}, expected {' or '.join(BRANCHES)}")
    text = environment.get("MADE_SINCE") or BEGINNING.isoformat()
    try:
        # S3 tells times without fractions of a second.
        made_since = datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)
    except ValueError:
        raise InputError(f"MADE_SINCE: found {text!r:.200}, expected a time such as 2026-01-31T09:30:00Z") from None
    return replace(BRANCHES[state], made_since=made_since)


def read_shards(client: Any, job: Job) -> list[Shard]:
    """The shards in input order, from the split's record; raises JobError or InputError when it cannot be read."""
    key = job.state_record_key(SPLIT_STATE)
    uri = f"s3://{job.output_bucket}/{key}"
    numbers = count()

    def shard(node: dict[str, Any]) -> Any:
        if "name" not in node:  # the record itself, or its input
            return node
        return Shard(
            index=next(numbers),
            name=field(node, "name", str, uri),
            bytes=field(node, "bytes", int, uri),
            lines=field(node, "lines", int, uri),
            terminator_bytes=field(node, "terminator_bytes", int, uri),
            sha256=field(node, "sha256", str, uri),
        )

    shards = read_json(client, job.output_bucket, key, "the split's record", object_hook=shard).get("shards")
    if not isinstance(shards, list) or not all(isinstance(shard, Shard) for shard in shards):
        raise JobError(f"the split's record {uri}: found shards {shards!r:.200}, expected a list of shards")
    return shards


def read_outputs(client: Any, job: Job, branch: Branch, shards: Sequence[Shard]) -> list[Output]:
    """The outputs in input order, each of them what its shard must have become.

    Raises JobError that names all missing shards (InputError when another try can help none of them), or the first
    whose record does not fit the split's.
    """
    check_done(client, job, branch, shards)
    prefix = job.records_prefix(branch.state)

    def read_output(shard: Shard) -> Output:
        key = f"{prefix}{shard.name}.json"
        record = read_json(client, job.output_bucket, key, f"record of shard {shard.name}")
        return checked_output(job, branch, shard, record, f"s3://{job.output_bucket}/{key}")

    return list(in_order(read_output, shards, threads=RECORDS_AT_ONCE))


def check_done(client: Any, job: Job, branch: Branch, shards: Iterable[Shard]) -> None:
    """Raises JobError that names all shards without a record, InputError when another try can help none of them."""
    prefix = job.records_prefix(branch.state)
    absent = {shard.name: shard for shard in shards}
    failed = set()
    for key in list_keys(client, job.output_bucket, prefix, branch.made_since):
        name = key.removeprefix(prefix).removesuffix(".json")
        if name.endswith(FAILED):
            failed.add(name.removesuffix(FAILED))
        absent.pop(name, None)
    if absent:
        raise missing_shards(client, job, branch, list(absent.values()), failed)


def checked_output(job: Job, branch: Branch, shard: Shard, record: Mapping[str, Any], uri: str) -> Output:
    """A shard's output; raises InputError that names the shard when the record is not of what the shard must become.

    Permanent: the shard has its record, so no other try of this run would do it again.
    """
    expected: dict[str, Any] = {
        "index": shard.index,
        "shard": shard.name,
        "key": branch.output_key(job, shard.name),
        "bytes": branch.copies * shard.bytes - (branch.copies - 1) * shard.terminator_bytes,
        "lines": shard.lines,
        "terminator_bytes": expected_terminator_bytes(branch, shard, record.get("terminator_bytes")),
        "source_sha256": shard.sha256,
    }
    for name, value in expected.items():
        if record.get(name) != value:
            raise InputError(
                f"shard {shard.name} of {branch.state}: found {name} {record.get(name)!r:.200} in its record {uri}, "
                f"expected {value!r:.200}; start a new run of this project"
            )
    return Output(sha256=field(record, "sha256", str, uri), etag=field(record, "etag", str, uri), **expected)


def expected_terminator_bytes(branch: Branch, shard: Shard, found: Any) -> int:
    """What was found when it can be, otherwise what can be and is nearest to it.

    Where a line's text is rearranged, an LF may become a CRLF but no terminator becomes shorter.
    """
    least = shard.terminator_bytes
    if branch.keeps_terminators or type(found) is not int:
        return least
    return max(least, min(found, 2 * shard.lines, shard.bytes))


def missing_shards(client: Any, job: Job, branch: Branch, absent: Sequence[Shard], failed: Set[str]) -> JobError:
    """Why each missing shard is missing; permanent when all of them are. `failed` names those with a failure record."""
    prefix = job.records_prefix(branch.state)

    def explain(shard: Shard) -> dict[str, Any]:
        reason, permanent = NO_RECORD, False
        if shard.name in failed:
            key = f"{prefix}{shard.name}{FAILED}.json"
            failure = read_json(client, job.output_bucket, key, f"failure record of shard {shard.name}")
            reason, permanent = str(failure.get("reason", NO_RECORD)), failure.get("permanent") is True
        return {"index": shard.index, "shard": shard.name, "reason": reason, "permanent": permanent}

    missing = list(in_order(explain, absent, threads=RECORDS_AT_ONCE))
    first = missing[0]
    kind = InputError if all(shard["permanent"] for shard in missing) else JobError
    return kind(
        f"{branch.state}: found no output of {len(missing)} of its shards, expected all of them; "
        f"the first is {first['shard']}: {first['reason']}",
        details={"missing": missing},
    )


def list_keys(client: Any, bucket: str, prefix: str, since: datetime) -> Iterator[str]:
    """All keys under a prefix that were written at that time or later; raises JobError or InputError."""
    with reading(bucket, prefix, "the branch's records"):
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from (entry["Key"] for entry in page.get("Contents", []) if entry["LastModified"] >= since)


def field(node: Any, name: str, kind: type[Any], uri: str) -> Any:
    """A field of a record that must be of this type; raises JobError."""
    found = node.get(name) if isinstance(node, dict) else None
    if type(found) is not kind:  # a bool is an int to isinstance
        raise JobError(f"record {uri}: found {name} {found!r:.200}, expected a {kind.__name__}")
    return found
