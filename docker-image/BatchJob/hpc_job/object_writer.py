"""Writes S3 objects in one PUT or one completed multipart upload, in the background, with bounded memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import BoundedSemaphore
from types import TracebackType
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from hpc_job.errors import InputError
from hpc_job.s3 import INTERMEDIATE_TAG, writing
from hpc_job.text import Measure

MIB = 1024 * 1024

# A multipart upload has at most 10,000 parts of 5 MiB to 5 GiB. Parts grow with the object, so that small objects
# need little memory and large ones fit: 2,000 parts each of 16, 32 and 64 MiB and 4,000 of 128 MiB are 718 GiB.
# Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
FIRST_PART_BYTES = 16 * MIB
LARGEST_PART_BYTES = 128 * MIB
PARTS_OF_A_SIZE = 2_000
MAX_PARTS = 10_000
LARGEST_OBJECT_BYTES = PARTS_OF_A_SIZE * (16 + 32 + 64) * MIB + 4_000 * LARGEST_PART_BYTES

ABORT_WAIT_S = 5  # parts under way when an upload is aborted; after SIGTERM Batch leaves a job 30 s


class Uploads:
    """The requests that send data, at most `threads` of them at a time; a full house makes the caller wait.

    As a context manager it waits at its end for what is under way; after an error it drops what has not begun.
    """

    def __init__(self, client: Any, *, threads: int = 4) -> None:
        self.client = client
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="upload")
        self._places = BoundedSemaphore(threads)
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=kind is None, cancel_futures=kind is not None)
        if kind is None:
            self.raise_failure()

    def submit(self, call: Callable[..., Any], bucket: str, key: str, **arguments: Any) -> Future[Any]:
        """Calls S3 in the background; raises JobError or InputError when an earlier call has failed."""
        self.raise_failure()
        self._places.acquire()
        try:
            future = self._pool.submit(self._send, call, bucket, key, arguments)
        except BaseException:
            self._places.release()
            raise
        future.add_done_callback(lambda _: self._places.release())
        return future

    def raise_failure(self) -> None:
        """Raises the first failure of a call, if there was one."""
        if self._failure is not None:
            raise self._failure

    def _send(self, call: Callable[..., Any], bucket: str, key: str, arguments: Mapping[str, Any]) -> Any:
        try:
            with writing(bucket, key):
                return call(Bucket=bucket, Key=key, **arguments)
        except Exception as error:
            self._failure = self._failure or error
            raise


class ObjectWriter:
    """One object that appears when `complete` has been called, and never in part; `measure` is of what was written.

    As a context manager it aborts when it is left without `complete`.
    """

    def __init__(self, uploads: Uploads, bucket: str, key: str, *, intermediate: bool) -> None:
        self._uploads = uploads
        self._bucket = bucket
        self.key = key
        self._tagging = {"Tagging": INTERMEDIATE_TAG} if intermediate else {}
        self._buffer = bytearray()
        self._upload_id: str | None = None
        self._parts: list[Future[Any]] = []
        self._completed = False
        self.measure = Measure()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._completed:
            self.abort()

    def write(self, data: bytes) -> None:
        """Adds data; raises InputError when the object gets too large for S3's number of parts."""
        self.measure.update(data)
        self._buffer += data
        if len(self._buffer) >= part_bytes(len(self._parts)):
            self._send_part()

    def complete(self) -> None:
        """Makes the object appear. A small one is sent in the background: it is there when `Uploads` has ended."""
        client = self._uploads.client
        if self._upload_id is None:
            self._uploads.submit(client.put_object, self._bucket, self.key, Body=self._take_buffer(), **self._tagging)
        else:
            if self._buffer:
                self._send_part()
            parts = [completed_part(number, part.result()) for number, part in enumerate(self._parts, start=1)]
            with writing(self._bucket, self.key):
                client.complete_multipart_upload(
                    Bucket=self._bucket, Key=self.key, UploadId=self._upload_id, MultipartUpload={"Parts": parts}
                )
        self._completed = True

    def abort(self) -> None:
        """Drops what was written; what cannot be dropped now, the bucket's lifecycle drops after some days."""
        self._completed = True
        if self._upload_id is None:
            return
        for part in self._parts:
            part.cancel()
        wait(self._parts, timeout=ABORT_WAIT_S)
        try:
            self._uploads.client.abort_multipart_upload(Bucket=self._bucket, Key=self.key, UploadId=self._upload_id)
        except (ClientError, BotoCoreError) as error:
            print(f"unfinished upload of s3://{self._bucket}/{self.key} is left to expire: {error}", file=sys.stderr)

    def _send_part(self) -> None:
        number = len(self._parts) + 1
        if number > MAX_PARTS:
            raise InputError(
                f"output s3://{self._bucket}/{self.key}: found more than {LARGEST_OBJECT_BYTES} bytes to write, "
                f"expected at most {LARGEST_OBJECT_BYTES}; use a smaller input or smaller shards"
            )
        client = self._uploads.client
        if self._upload_id is None:
            with writing(self._bucket, self.key):
                self._upload_id = client.create_multipart_upload(
                    Bucket=self._bucket, Key=self.key, ChecksumAlgorithm="CRC32", **self._tagging
                )["UploadId"]
        self._parts.append(
            self._uploads.submit(
                client.upload_part,
                self._bucket,
                self.key,
                UploadId=self._upload_id,
                PartNumber=number,
                ChecksumAlgorithm="CRC32",
                Body=self._take_buffer(),
            )
        )

    def _take_buffer(self) -> bytearray:
        taken, self._buffer = self._buffer, bytearray()
        return taken


def part_bytes(parts_before: int) -> int:
    """Size at which the next part is sent."""
    return int(min(FIRST_PART_BYTES * 2 ** (parts_before // PARTS_OF_A_SIZE), LARGEST_PART_BYTES))


def completed_part(number: int, response: Mapping[str, Any]) -> dict[str, Any]:
    """How CompleteMultipartUpload names a part; with its checksum when S3 returned one, which it then asks for."""
    part: dict[str, Any] = {"PartNumber": number, "ETag": response["ETag"]}
    if "ChecksumCRC32" in response:
        part["ChecksumCRC32"] = response["ChecksumCRC32"]
    return part


def put_small(client: Any, bucket: str, key: str, body: bytes, *, content_type: str, intermediate: bool) -> None:
    """Writes a small object in one PUT; raises InputError or JobError."""
    tagging = {"Tagging": INTERMEDIATE_TAG} if intermediate else {}
    with writing(bucket, key):
        client.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type, **tagging)


def put_json(client: Any, bucket: str, key: str, document: Mapping[str, Any], *, intermediate: bool) -> None:
    """Writes compact UTF-8 JSON in one PUT; raises InputError or JobError."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
    put_small(client, bucket, key, text, content_type="application/json", intermediate=intermediate)
