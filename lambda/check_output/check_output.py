"""Check_Output: compares what lies in S3 with what must lie there, and words the notification.

It needs one listing a prefix and the consolidated records of the split and the merges, never the data. The rules are in
comparison.py, the words in notification.py. A call that comes twice writes the same reasons under the same key.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from check_event import CheckEvent
from comparison import Snapshot, judge
from listed_sizes import ListedSizes
from notification import answer, reasons_document
from run_records import RecordError

LISTINGS_AT_ONCE = 8
# S3 asks clients to retry its 503 Slow Down with backoff; the state machine does not retry this function's own errors.
S3_RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 8}, max_pool_connections=LISTINGS_AT_ONCE)


def handler(event: Any, context: Any) -> dict[str, Any]:  # noqa: ARG001  Lambda passes both
    """Judge the run's try, write all reasons to S3, return the status, the first reasons and the mail.

    Raises EventError, and ClientError when S3 refuses a listing or the reasons: then nothing was checked.
    """
    request = CheckEvent.parse(event)
    s3 = boto3.client("s3", config=S3_RETRIES)
    verdict = judge(request, take_snapshot(s3, request))
    s3.put_object(
        Bucket=request.bucket,
        Key=request.reasons_key,
        Body=reasons_document(request, verdict),
        ContentType="application/json",
    )
    return answer(request, verdict)


def take_snapshot(s3: Any, request: CheckEvent) -> Snapshot:
    """Sizes of all objects under the run's prefixes that count, and the record of the split and of each merge.

    Lists before it reads: S3 answers 403 instead of 404 for a missing key when the caller may list only some prefixes.
    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    sizes = ListedSizes()
    with ThreadPoolExecutor(LISTINGS_AT_ONCE) as threads:
        for listed in threads.map(lambda prefix: list_sizes(s3, request, prefix), request.prefixes):
            sizes.merge(listed)
    return Snapshot(sizes, RecordsInS3(s3, request, sizes))


class RecordsInS3(Mapping[str, bytes | RecordError]):
    """The records of the split and of each merge, each read when it is asked for: together they fill gigabytes."""

    def __init__(self, s3: Any, request: CheckEvent, sizes: Mapping[str, int]) -> None:
        self._s3 = s3
        self._bucket = request.bucket
        states = (request.split_state, *(branch.merge_state for branch in request.branches))
        # A record wins over a failure record, which may be of an earlier try.
        named = [(request.record_key(state), request.failure_key(state)) for state in states]
        self._keys = [next(key for key in keys if key in sizes) for keys in named if any(key in sizes for key in keys)]

    def __getitem__(self, key: str) -> bytes | RecordError:
        if key not in self._keys:
            raise KeyError(key)
        return read(self._s3, self._bucket, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def list_sizes(s3: Any, request: CheckEvent, prefix: str) -> ListedSizes:
    sizes = ListedSizes()
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=request.bucket, Prefix=prefix):
        for entry in page.get("Contents", []):
            if request.counts(entry["Key"], entry["LastModified"]):
                sizes.add(entry["Key"], entry["Size"])
    return sizes


def read(s3: Any, bucket: str, key: str) -> bytes | RecordError:
    """Text of a record, or why it could not be read: one unreadable record does not hide what the others say."""
    try:
        body: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        # Refused or archived stays so; a fault of S3 passes, and a deleted record is written again.
        permanent = error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        code = error.response["Error"]["Code"]
        return RecordError(f"found {code} when it was read, expected a record", permanent=permanent)
    return body
