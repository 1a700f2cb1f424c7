"""Job_Map: counts the try and writes, for each branch, the manifest of the shards that are still to do.

Done is what has a record: a shard whose `records/<run>/<State>/<shard>.json` is listed is not run again, and a merge
whose record is listed is not run again unless one of its shards is. Records are written after the object they describe
and only when it is complete, so their names are enough; neither they nor the data are read. An output that was deleted
or overwritten after its record was written is therefore not made again: Check_Output reports it as permanent.

A resumed run redoes what other code has made: records of a state count from `made_since` on, the start of the execution
that began to redo it. The resume lets two seconds pass between the last job before and that start, so that S3's times,
which have no fractions, tell the records of before from those of after.

A call that comes twice or late is harmless: it reads the same list and writes the same manifest under the same key.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

T = TypeVar("T")
KINDS = {str: "text that is not empty", int: "a whole number", dict: "an object that is not empty"}
# S3 asks clients to retry its 503 Slow Down with backoff; the state machine does not retry this function's own errors.
S3_RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 8})
# The lifecycle rule of the data bucket expires what carries this tag after a few days.
INTERMEDIATE_TAG = "retention=intermediate"


class EventError(Exception):
    """The event does not have the fields that the state Job_Map sends."""


class SplitRecordMissing(Exception):
    """The split of this run left no record, so a list of shards that lies there may be of an earlier run."""


class ShardListMissing(Exception):
    """The split's list of shards is not there, or this function may not read it."""


class ShardListMalformed(Exception):
    """The split's list of shards holds a line that is not the key of the shard that belongs there."""


@dataclass(frozen=True)
class JobMapEvent:
    """What the state Job_Map sends.

    `attempt` counts the tries so far, `branches` maps a shard state to its merge, `made_since` a state to the time from
    which on its records count.
    """

    run_id: str
    project: str
    bucket: str
    input_key: str
    attempt: int
    first_try_queue: str
    next_tries_queue: str
    split_state: str
    branches: Mapping[str, str]
    made_since: Mapping[str, datetime]

    @classmethod
    def parse(cls, event: Any) -> "JobMapEvent":
        """Raises EventError, which says the field, what was found and what was expected."""
        queues = field(event, "queues", dict)
        branches = field(event, "branches", dict)
        made_since = field(event, "made_since", dict)
        parsed = cls(
            run_id=field(event, "run_id", str),
            project=field(event, "project", str),
            bucket=field(event, "bucket", str),
            input_key=field(event, "input_key", str),
            attempt=field(event, "attempt", int),
            first_try_queue=field(queues, "first_try", str),
            next_tries_queue=field(queues, "next_tries", str),
            split_state=field(event, "split_state", str),
            branches={state: field(branches, state, str) for state in branches},
            made_since={state: moment(made_since, state) for state in made_since},
        )
        if parsed.attempt < 0:
            raise EventError(f"field attempt: found {parsed.attempt}, expected 0 or more tries so far")
        if not parsed.file:
            raise EventError(f"field input_key: found {parsed.input_key!r}, expected a key that does not end with '/'")
        return parsed

    @property
    def file(self) -> str:
        """Last part of the input's key; it names the shards."""
        return self.input_key.rsplit("/", 1)[-1]

    @property
    def results(self) -> str:
        return f"result/{self.project}/"

    @property
    def records(self) -> str:
        return f"{self.results}records/{self.run_id}/"

    @property
    def split_record_key(self) -> str:
        return f"{self.records}{self.split_state}.json"

    @property
    def shard_list_key(self) -> str:
        return f"{self.results}{self.split_state}/{self.file}_splitlist"

    def counts(self, record_key: str, written_at: datetime) -> bool:
        """Whether a record is of the code that this run has now."""
        state = re.split("[/.]", record_key.removeprefix(self.records), maxsplit=1)[0]
        return state not in self.made_since or written_at >= self.made_since[state]

    def manifest_key(self, state: str) -> str:
        return f"{self.results}Job_Map/{self.run_id}/try_{self.attempt + 1}_{state}.json"


@dataclass(frozen=True)
class BranchPlan:
    """What one branch has to do in this try; a shard is its (index, name)."""

    shards_to_do: list[tuple[int, str]]
    shards_total: int
    merge_to_do: bool


def handler(event: Any, context: Any) -> dict[str, Any]:  # noqa: ARG001  Lambda passes both
    """Write this try's manifests; return the try's number, its queue and what each branch has to do.

    Raises EventError, SplitRecordMissing, ShardListMissing or ShardListMalformed: without a list nothing can be tried.
    """
    request = JobMapEvent.parse(event)
    s3 = boto3.client("s3", config=S3_RETRIES)
    listed = list_objects(s3, request.bucket, request.records)
    records = frozenset(key for key, written_at in listed if request.counts(key, written_at))
    shards = parse_shard_list(read_shard_list(s3, request, records), request)
    plans = plan_branches(request, shards, records)
    for state, branch in plans.items():
        write_manifest(s3, request.bucket, request.manifest_key(state), branch)
    return answer(request, plans)


def field(node: Any, name: str, kind: type[T]) -> T:
    """Value of a field that must be of exactly this type and not empty; raises EventError."""
    value = node.get(name) if isinstance(node, dict) else None
    if type(value) is not kind or value in ("", {}):  # a bool is an int to isinstance
        raise EventError(f"field {name}: found {value!r:.100}, expected {KINDS[kind]}")
    return value


def moment(node: Any, name: str) -> datetime:
    """A time in ISO 8601, without its fraction of a second, as S3 tells times; raises EventError."""
    text = field(node, name, str)
    try:
        return datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)
    except ValueError:
        raise EventError(f"field {name}: found {text!r:.100}, expected a time such as 2026-01-31T09:30:00Z") from None


def parse_shard_list(text: str, request: JobMapEvent) -> list[str]:
    """Names of the shards in input order, from one full S3 key a line.

    Raises ShardListMalformed when a line is not the key of its shard: a cut or foreign list would lose input unseen.
    """
    folder = f"{request.results}{request.split_state}/"
    keys = text.split("\n")  # not splitlines(): a file's name may hold U+0085 or U+2028
    if keys.pop() != "":
        raise ShardListMalformed(
            f"s3://{request.bucket}/{request.shard_list_key}: found a last line without a line end, "
            f"expected one key a line, each ended by LF"
        )
    for index, key in enumerate(keys):
        expected = f"{folder}{request.file}_{index:05d}"
        if key != expected:
            raise ShardListMalformed(
                f"s3://{request.bucket}/{request.shard_list_key}: found {key!r:.300} in line {index + 1}, "
                f"expected {expected!r}"
            )
    return [key.removeprefix(folder) for key in keys]


def plan_branches(request: JobMapEvent, shards: list[str], records: frozenset[str]) -> dict[str, BranchPlan]:
    """What each branch has to do, from the keys of the records that are there."""
    plans = {}
    for state, merge_state in request.branches.items():
        to_do = [
            (i, shard) for i, shard in enumerate(shards) if f"{request.records}{state}/{shard}.json" not in records
        ]
        merge_to_do = bool(to_do) or f"{request.records}{merge_state}.json" not in records
        plans[state] = BranchPlan(shards_to_do=to_do, shards_total=len(shards), merge_to_do=merge_to_do)
    return plans


def manifest(branch: BranchPlan) -> bytes:
    """The Map's items: a JSON array of {"index", "shard"}, UTF-8, compact."""
    items = [{"index": index, "shard": shard} for index, shard in branch.shards_to_do]
    return json.dumps(items, ensure_ascii=False, separators=(",", ":")).encode()


def answer(request: JobMapEvent, plans: Mapping[str, BranchPlan]) -> dict[str, Any]:
    """What the state machine keeps: numbers and keys, never the shards themselves.

    From the second try on the jobs run on the queue for next tries, which has on-demand capacity only.
    """
    return {
        "attempt": request.attempt + 1,
        "queue": request.first_try_queue if request.attempt == 0 else request.next_tries_queue,
        "branches": {
            state: {
                "shards_to_do": len(branch.shards_to_do),
                "shards_total": branch.shards_total,
                "merge_to_do": branch.merge_to_do,
                "manifest_key": request.manifest_key(state),
            }
            for state, branch in plans.items()
        },
    }


def list_objects(s3: Any, bucket: str, prefix: str) -> Iterator[tuple[str, datetime]]:
    """Keys under a prefix and when each was written, however many pages they fill (1,000 keys a page).

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    """
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from ((entry["Key"], entry["LastModified"]) for entry in page.get("Contents", []))


def read_shard_list(s3: Any, request: JobMapEvent, records: frozenset[str]) -> str:
    """Text of the split's list; raises SplitRecordMissing, ShardListMissing or ShardListMalformed."""
    if request.split_record_key not in records:
        raise SplitRecordMissing(
            f"s3://{request.bucket}/{request.split_record_key}: found no record, expected the one that "
            f"{request.split_state} of run {request.run_id} writes when its shards are complete"
        )
    uri = f"s3://{request.bucket}/{request.shard_list_key}"
    try:
        body: bytes = s3.get_object(Bucket=request.bucket, Key=request.shard_list_key)["Body"].read()
        return body.decode()
    except ClientError as error:
        # S3 answers 403 instead of 404 for a missing key when the caller may not list its prefix.
        # Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (403, 404):
            raise
        code = error.response["Error"]["Code"]
        raise ShardListMissing(
            f"{uri}: found {code}, expected the list of shards that {request.split_state} wrote; "
            f"check that nobody deleted it, then submit the run again"
        ) from error
    except UnicodeDecodeError as error:
        raise ShardListMalformed(f"{uri}: found bytes that are not UTF-8 ({error}), expected keys in UTF-8") from error


def write_manifest(s3: Any, bucket: str, key: str, branch: BranchPlan) -> None:
    s3.put_object(
        Bucket=bucket, Key=key, Body=manifest(branch), ContentType="application/json", Tagging=INTERMEDIATE_TAG
    )
