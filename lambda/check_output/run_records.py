"""What the split and the merges recorded, read strictly: what does not fit the job contract is an error."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

KINDS = {str: "text", int: "a whole number", bool: "true or false", list: "a list", dict: "an object"}
SHA256 = re.compile(r"[0-9a-f]{64}")


class RecordError(Exception):
    """A record cannot be read, or is not what its job must write; `permanent` when another try would not help."""

    def __init__(self, message: str, *, permanent: bool = True) -> None:
        super().__init__(message)
        self.permanent = permanent


@dataclass(frozen=True, slots=True)
class Measure:
    """Size of an object. `lines` counts a last line without a terminator; a terminator is LF (1 byte) or CRLF (2)."""

    bytes: int
    lines: int
    terminator_bytes: int

    def repeated(self, times: int) -> "Measure":
        """The same lines with each line's text `times` times in a row before its one terminator."""
        return Measure(times * self.bytes - (times - 1) * self.terminator_bytes, self.lines, self.terminator_bytes)


def total(measures: Iterable[Measure]) -> Measure:
    """Size of the objects joined; only the last of them may end without a terminator."""
    parts = list(measures)
    return Measure(sum(p.bytes for p in parts), sum(p.lines for p in parts), sum(p.terminator_bytes for p in parts))


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard as the split wrote it."""

    name: str
    measure: Measure
    sha256: str


@dataclass(frozen=True)
class SplitRecord:
    """The input as the split read it, and its shards in input order."""

    input_key: str
    input: Measure
    shards: tuple[Shard, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """A branch's output of one shard, as its job recorded it and the merge consolidated it."""

    index: int
    shard: str
    key: str
    measure: Measure
    source_sha256: str


@dataclass(frozen=True)
class MergeRecord:
    """The merged object, and the outputs it was joined from, in order."""

    key: str
    merged: Measure
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class MissingShard:
    """A shard that a merge did not find done, with its job's own reason."""

    shard: str
    reason: str
    permanent: bool


@dataclass(frozen=True)
class Failure:
    """Why a split or a merge failed; `missing` when a merge failed for want of shards."""

    reason: str
    permanent: bool
    missing: tuple[MissingShard, ...]


def parse_split(text: bytes, run_id: str) -> SplitRecord:
    """Raises RecordError, which says the field, what was found and what was expected."""
    node = document(text, run_id, named_by="name", make=parse_shard)
    source = value(node, "input", dict)
    shards = tuple(each if type(each) is Shard else parse_shard(each) for each in value(node, "shards", list))
    return SplitRecord(input_key=value(source, "key", str), input=measure(source), shards=shards)


def parse_merge(text: bytes, run_id: str) -> MergeRecord:
    """Raises RecordError, which says the field, what was found and what was expected."""
    node = document(text, run_id, named_by="shard", make=parse_output)
    merged = value(node, "merged", dict)
    outputs = tuple(each if type(each) is Output else parse_output(each) for each in value(node, "shards", list))
    return MergeRecord(key=value(merged, "key", str), merged=measure(merged), outputs=outputs)


def parse_shard(node: Any) -> Shard:
    return Shard(value(node, "name", str), measure(node), sha256(node, "sha256"))


def parse_output(node: Any) -> Output:
    return Output(
        index=value(node, "index", int),
        shard=value(node, "shard", str),
        key=value(node, "key", str),
        measure=measure(node),
        source_sha256=sha256(node, "source_sha256"),
    )


def parse_missing(node: Any) -> MissingShard:
    return MissingShard(value(node, "shard", str), value(node, "reason", str), value(node, "permanent", bool))


def parse_failure(text: bytes, run_id: str) -> Failure:
    """Raises RecordError, which says the field, what was found and what was expected."""
    node = document(text, run_id, named_by="shard", make=parse_missing)
    listed = value(node, "missing", list) if "missing" in node else []
    missing = tuple(each if type(each) is MissingShard else parse_missing(each) for each in listed)
    return Failure(value(node, "reason", str), value(node, "permanent", bool), missing)


def document(text: bytes, run_id: str, *, named_by: str, make: Callable[[Any], Any]) -> dict[str, Any]:
    """The record, in which objects that have the field `named_by` are made into what they stand for while it is read.

    As dicts, all shards of a record would take a kilobyte each until the last one is read.
    """

    def compact(node: dict[str, Any]) -> Any:
        return make(node) if named_by in node else node

    try:
        node = json.loads(text, object_hook=compact)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"found text that is not JSON ({error}), expected a record") from error
    found = value(node, "run_id", str)
    if found != run_id:
        raise RecordError(f"field run_id: found {found!r:.100}, expected {run_id!r}")
    return dict(node)


def measure(node: Any) -> Measure:
    size = Measure(value(node, "bytes", int), value(node, "lines", int), value(node, "terminator_bytes", int))
    if min(size.bytes, size.lines, size.terminator_bytes) < 0:
        raise RecordError(f"found {size}, expected no negative number")
    return size


def sha256(node: Any, name: str) -> str:
    found = value(node, name, str)
    if not SHA256.fullmatch(found):
        raise RecordError(f"field {name}: found {found!r:.100}, expected 64 hexadecimal digits")
    return found


def value(node: Any, name: str, kind: type[T]) -> T:
    """Value of a field that must be of exactly this type; raises RecordError."""
    found = node.get(name) if isinstance(node, dict) else None
    if type(found) is not kind:  # a bool is an int to isinstance
        raise RecordError(f"field {name}: found {found!r:.100}, expected {KINDS[kind]}")
    return found
