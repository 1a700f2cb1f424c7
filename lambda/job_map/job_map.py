"""Job_Map: counts the try, writes the manifest of what each branch still has to do, and makes the rows of these tasks.

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
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from branch_plan import BranchPlan, mark_done, plan_branch, record_prefixes, shard_list_key
from map_event import EventError, JobMapEvent
from shard_list import ShardListMalformed, Shards, read_list
from task_rows import make_rows

LISTINGS_AT_ONCE = 16
# S3 asks clients to retry its 503 Slow Down with backoff; the state machine does not retry this function's own errors.
S3_RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 8}, max_pool_connections=LISTINGS_AT_ONCE)
DYNAMODB_RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 4})
# The lifecycle rule of the data bucket expires what carries this tag after a few days.
INTERMEDIATE_TAG = "retention=intermediate"
LIST_CHUNK_BYTES = 2**20

__all__ = ["EventError", "ShardListMalformed", "ShardListMissing", "SplitRecordMissing", "handler"]


class SplitRecordMissing(Exception):
    """The split of this run left no record, so a list of shards that lies there may be of an earlier run."""


class ShardListMissing(Exception):
    """The split's list of shards is not there, or this function may not read it."""


def handler(event: Any, context: Any) -> dict[str, Any]:  # noqa: ARG001  Lambda passes both
    """Write this try's manifests and tasks' rows; return the try's number, its queue and what each branch has to do.

    Raises EventError, SplitRecordMissing, ShardListMissing or ShardListMalformed: without a list nothing can be tried.
    """
    request = JobMapEvent.parse(event)
    s3 = boto3.client("s3", config=S3_RETRIES)
    shards = read_shards(s3, request)
    plans = plan_branches(s3, request, shards)
    for state, branch in plans.items():
        write_plan(s3, request, state, branch)
    make_rows(boto3.client("dynamodb", config=DYNAMODB_RETRIES), request, plans)
    return answer(request, plans)


def plan_branches(s3: Any, request: JobMapEvent, shards: Shards) -> dict[str, BranchPlan]:
    """What each branch has to do, from the keys of the records that are there."""
    done = {state: bytearray(shards.count) for state in request.branches}

    def look(listing: tuple[str, str]) -> None:
        state, prefix = listing
        mark_done(done[state], list_records(s3, request, prefix), request, state, shards)

    listings = [(state, prefix) for state in request.branches for prefix in record_prefixes(request, state, shards)]
    with ThreadPoolExecutor(LISTINGS_AT_ONCE) as threads:
        list(threads.map(look, listings))  # raises what a listing raised
    plans = {}
    for state, merge_state in request.branches.items():
        merged = is_recorded(s3, request, merge_state)
        plans[state] = plan_branch(request, shards, done[state], merged=merged)
    return plans


def answer(request: JobMapEvent, plans: Mapping[str, BranchPlan]) -> dict[str, Any]:
    """What the state machine keeps: numbers and keys, never the shards themselves.

    From the second try on the jobs run on the queue for next tries, which has on-demand capacity only.
    """
    return {
        "attempt": request.attempt + 1,
        "queue": request.first_try_queue if request.attempt == 0 else request.next_tries_queue,
        "branches": {
            state: {
                "shards_to_do": len(branch.to_do),
                "shards_total": branch.shards.count,
                "merge_to_do": branch.merge_to_do,
                "manifest_key": request.to_do_key(state, ".json"),
                "shard_list_key": shard_list_key(request, state, branch),
                "shard_digits": branch.shards.digits,
            }
            for state, branch in plans.items()
        },
    }


def list_records(s3: Any, request: JobMapEvent, prefix: str) -> Iterator[str]:
    """Keys under a prefix that count, however many pages they fill (1,000 keys a page).

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    """
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=request.bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            if request.counts(entry["Key"], entry["LastModified"]):
                yield entry["Key"]


def is_recorded(s3: Any, request: JobMapEvent, state: str) -> bool:
    key = f"{request.records}{state}.json"
    return key in list_records(s3, request, key)


def read_shards(s3: Any, request: JobMapEvent) -> Shards:
    """The split's shards; raises SplitRecordMissing, ShardListMissing or ShardListMalformed."""
    if not is_recorded(s3, request, request.split_state):
        raise SplitRecordMissing(
            f"s3://{request.bucket}/{request.split_record_key}: found no record, expected the one that "
            f"{request.split_state} of run {request.run_id} writes when its shards are complete"
        )
    try:
        body = s3.get_object(Bucket=request.bucket, Key=request.shard_list_key)["Body"]
    except ClientError as error:
        # S3 answers 403 instead of 404 for a missing key when the caller may not list its prefix.
        # Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (403, 404):
            raise
        code = error.response["Error"]["Code"]
        raise ShardListMissing(
            f"s3://{request.bucket}/{request.shard_list_key}: found {code}, expected the list of shards that "
            f"{request.split_state} wrote; check that nobody deleted it, then resume the run: "
            f"hpc resume {request.run_id}"
        ) from error
    return read_list(body.iter_chunks(LIST_CHUNK_BYTES), request)


def write_plan(s3: Any, request: JobMapEvent, state: str, branch: BranchPlan) -> None:
    """The list before the manifest that speaks of its lines."""
    if branch.grouped and not branch.is_of_all:
        put(s3, request, shard_list_key(request, state, branch), branch.shard_lines(), "text/plain")
    put(s3, request, request.to_do_key(state, ".json"), manifest(branch), "application/json")


def manifest(branch: BranchPlan) -> bytes:
    """The Map's items: a JSON array of {"index", "shard", "offset", "size"}, UTF-8, compact."""
    items = (json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in branch.items())
    return f"[{','.join(items)}]".encode()


def put(s3: Any, request: JobMapEvent, key: str, body: bytes, content_type: str) -> None:
    s3.put_object(Bucket=request.bucket, Key=key, Body=body, ContentType=content_type, Tagging=INTERMEDIATE_TAG)
