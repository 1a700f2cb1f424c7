"""What S3 showed, compared with what must be there.

What another try can change. Job_Map decides by records alone: it runs a shard or a merge again when its record is not
there, and never the split. So a finding is permanent when
- it is about the split;
- its failure record says so (exit code 2: the input is wrong);
- it is about an object whose record is there, such as an output that was deleted or overwritten afterwards: Job_Map
  counts it as done. Only a new run makes it again, and the reason says so.
Everything else is worth another try. The run is given up at once when every finding is permanent; with one that is not,
the next try is made although it cannot repair the others.

Objects of earlier runs in the same folders are no findings: what must be there comes from this run's records.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from check_event import Branch, CheckEvent
from run_records import (
    Failure,
    Measure,
    MergeRecord,
    RecordError,
    Shard,
    SplitRecord,
    parse_failure,
    parse_merge,
    parse_split,
    total,
)

NO_RECORD = "no record: the job did not finish (its log tells why)"
SUBMIT_AGAIN = "its record counts it as done, so no try makes it again: submit the run again"


@dataclass(frozen=True)
class Snapshot:
    """What S3 showed: each listed object's size in bytes, and the consolidated records (or why one is unreadable)."""

    sizes: Mapping[str, int]
    records: Mapping[str, bytes | RecordError]

    def record(self, key: str) -> bytes:
        """Raises RecordError."""
        found = self.records[key]
        if isinstance(found, RecordError):
            raise found
        return found


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence on what is not as it must be; `permanent` when another try would not change it."""

    reason: str
    permanent: bool


@dataclass(frozen=True)
class Verdict:
    """All findings, and what was made: the input's size, the number of shards, the merged objects by key."""

    findings: tuple[Finding, ...]
    input: Measure | None
    shards: int
    merged: Mapping[str, Measure]

    @property
    def status(self) -> str:
        return "FAILED" if self.findings else "SUCCEEDED"

    @property
    def permanent(self) -> bool:
        return bool(self.findings) and all(finding.permanent for finding in self.findings)


def judge(event: CheckEvent, snapshot: Snapshot) -> Verdict:
    """The split first: without its record nothing says what the branches must have made."""
    split_key = event.record_key(event.split_state)
    try:
        split = read_split(event, snapshot)
    except RecordError as error:
        reason = f"{event.uri(split_key)}: {error}" if split_key in snapshot.sizes else str(error)
        return Verdict((Finding(reason, error.permanent),), None, 0, {})
    findings = list(split_findings(event, split, snapshot.sizes))
    merged = {}
    for branch in event.branches:
        key = event.record_key(branch.merge_state)
        if key not in snapshot.sizes:
            findings += unfinished(event, branch, split, snapshot)
            continue
        try:
            merge = parse_merge(snapshot.record(key), event.run_id)
        except RecordError as error:
            findings.append(Finding(f"{event.uri(key)}: {error}", error.permanent))
            continue
        findings += contradictions(event, branch, split, merge, snapshot.sizes)
        merged[event.merged_key(branch)] = merge.merged
    return Verdict(tuple(findings), split.input, len(split.shards), merged)


def read_split(event: CheckEvent, snapshot: Snapshot) -> SplitRecord:
    """The split's record; raises RecordError, with the split's own reason when it failed."""
    key = event.record_key(event.split_state)
    if key not in snapshot.sizes:
        raise RecordError(f"{event.split_state} failed: {read_failure(event, event.split_state, snapshot).reason}")
    split = parse_split(snapshot.record(key), event.run_id)
    if split.input_key != event.input_key:
        raise RecordError(f"field input: found the key {split.input_key!r}, expected {event.input_key!r}")
    digits = event.shard_digits(split.shards[0].name if split.shards else "")
    for index, shard in enumerate(split.shards):
        expected = event.shard_name(index, digits)
        if shard.name != expected:
            raise RecordError(f"field shards: found {shard.name!r:.300} at {index}, expected {expected!r}")
    return split


def split_findings(event: CheckEvent, split: SplitRecord, sizes: Mapping[str, int]) -> Iterator[Finding]:
    """Every shard and the list of shards are there, and the shards together are the input."""
    differs = differences(total(shard.measure for shard in split.shards), split.input)
    if differs:
        yield Finding(f"The {len(split.shards):,} shards of {event.input_key} are not the whole input: {differs}", True)
    list_bytes = sum(len(event.shard_key(shard.name).encode()) + 1 for shard in split.shards)
    for shard in split.shards:
        yield from object_findings(event, event.shard_key(shard.name), shard.measure.bytes, sizes, permanent=True)
    yield from object_findings(event, event.shard_list_key, list_bytes, sizes, permanent=True)


def unfinished(event: CheckEvent, branch: Branch, split: SplitRecord, snapshot: Snapshot) -> Iterator[Finding]:
    """A merge without a record: its own failure, and each shard that has no record.

    A failure record may be of an earlier try, so a shard that it calls missing counts only while it has no record.
    """
    failure = read_failure(event, branch.merge_state, snapshot)
    told = {shard.shard: shard for shard in failure.missing}
    missing = [shard.name for shard in split.shards if not is_done(event, branch, shard, snapshot.sizes)]
    if not (told and missing):
        yield Finding(f"{branch.merge_state} failed: {failure.reason}", failure.permanent and not told)
    for name in missing:
        failure_key = event.failure_key(f"{branch.state}/{name}")
        if name in told:
            reason = told[name].reason
        elif failure_key in snapshot.sizes:
            reason = f"{event.uri(failure_key)} tells why"
        else:
            reason = NO_RECORD
        yield Finding(f"{branch.state} of shard {name} failed: {reason}", name in told and told[name].permanent)


def contradictions(
    event: CheckEvent, branch: Branch, split: SplitRecord, merge: MergeRecord, sizes: Mapping[str, int]
) -> Iterator[Finding]:
    """Where the records of a finished branch and what lies in S3 do not fit the split or each other."""
    record = event.uri(event.record_key(branch.merge_state))
    all_done = all(is_done(event, branch, shard, sizes) for shard in split.shards)
    if len(merge.outputs) != len(split.shards):
        found = f"found {len(merge.outputs):,} shards, expected {len(split.shards):,}"
        yield Finding(f"{record}: {found}", all_done)
    for index, (shard, output) in enumerate(zip(split.shards, merge.outputs, strict=False)):
        done = is_done(event, branch, shard, sizes)
        key = event.output_key(branch, shard.name)
        if (output.index, output.shard, output.key) != (index, shard.name, key):
            found = f"found {output.key!r} of shard {output.shard!r}, index {output.index}"
            yield Finding(f"{record}: {found}, expected {key!r} of shard {shard.name!r}, index {index}", done)
            continue
        differs = differences(output.measure, expected_output(branch, shard.measure, output.measure))
        if differs:
            yield Finding(f"{event.uri(key)} does not fit its shard, says {branch.merge_state}.json: {differs}", done)
        if output.source_sha256 != shard.sha256:
            found = f"found source_sha256 {output.source_sha256}, expected {shard.sha256}"
            yield Finding(f"{event.uri(key)} was made from another text than {shard.name} holds: {found}", done)
        yield from object_findings(event, key, output.measure.bytes, sizes, permanent=done)
    merged_key = event.merged_key(branch)
    if merge.key != merged_key:
        yield Finding(f"{record}: found the merged key {merge.key!r}, expected {merged_key!r}", all_done)
    differs = differences(merge.merged, total(output.measure for output in merge.outputs))
    if differs:
        yield Finding(f"{event.uri(merged_key)} is not the sum of its shards: {differs}", all_done)
    yield from object_findings(event, merged_key, merge.merged.bytes, sizes, permanent=all_done)


def expected_output(branch: Branch, shard: Measure, found: Measure) -> Measure:
    """What the branch must make of a shard.

    Where a line's text may be rearranged, an LF may become a CRLF but no terminator becomes shorter. The terminators
    are then those found when they can be, otherwise what can be and is nearest to them.
    """
    expected = shard.repeated(branch.size_factor)
    if branch.keeps_terminators:
        return expected
    most = min(2 * shard.lines, shard.bytes)
    return replace(expected, terminator_bytes=max(shard.terminator_bytes, min(found.terminator_bytes, most)))


def object_findings(
    event: CheckEvent, key: str, expected: int, sizes: Mapping[str, int], *, permanent: bool
) -> Iterator[Finding]:
    """An object that is missing or has another size than its record says."""
    if sizes.get(key) != expected:
        found = f"has {byte_count(sizes[key])}" if key in sizes else "is missing"
        advice = f"; {SUBMIT_AGAIN}" if permanent else ""
        yield Finding(f"{event.uri(key)} {found}, expected {byte_count(expected)}{advice}", permanent)


def byte_count(size: int) -> str:
    return "1 byte" if size == 1 else f"{size:,} bytes"


def differences(found: Measure, expected: Measure) -> str:
    """What differs, such as `bytes: found 10, expected 20; lines: found 1, expected 2`; empty when nothing does."""
    return "; ".join(
        f"{name.replace('_', ' ')}: found {getattr(found, name):,}, expected {getattr(expected, name):,}"
        for name in ("bytes", "lines", "terminator_bytes")
        if getattr(found, name) != getattr(expected, name)
    )


def is_done(event: CheckEvent, branch: Branch, shard: Shard, sizes: Mapping[str, int]) -> bool:
    """Whether Job_Map counts the shard as done in this branch."""
    return event.record_key(f"{branch.state}/{shard.name}") in sizes


def read_failure(event: CheckEvent, state: str, snapshot: Snapshot) -> Failure:
    """Why a split or a merge failed; without a record that can be read another try is worth it."""
    key = event.failure_key(state)
    if key not in snapshot.sizes:
        return Failure(NO_RECORD, permanent=False, missing=())
    try:
        return parse_failure(snapshot.record(key), event.run_id)
    except RecordError as error:
        return Failure(f"{event.uri(key)} cannot tell why: {error}", permanent=False, missing=())
