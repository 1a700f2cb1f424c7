"""Writes S3 objects in one PUT or one completed multipart upload, in the background, with bounded memory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from hpc_job.errors import InputError
from hpc_job.multipart_upload import MAX_PARTS, MultipartUpload
from hpc_job.s3 import INTERMEDIATE_TAG, writing
from hpc_job.text import Measure
from hpc_job.uploads import Uploads

MIB = 1024 * 1024

# Parts grow with the object, so that small objects need little memory and large ones fit S3's number of parts: 2,000
# parts each of 16, 32 and 64 MiB and 4,000 of 128 MiB are 718 GiB.
FIRST_PART_BYTES = 16 * MIB
LARGEST_PART_BYTES = 128 * MIB
PARTS_OF_A_SIZE = 2_000
LARGEST_OBJECT_BYTES = PARTS_OF_A_SIZE * (16 + 32 + 64) * MIB + 4_000 * LARGEST_PART_BYTES


class ObjectWriter:
    """One object that appears when `complete` has been called, and never in part; `measure` is of what was written.

    As a context manager it drops what was written when it is left without `complete`.
    """

    def __init__(
        self, uploads: Uploads, bucket: str, key: str, *, intermediate: bool, content_type: str | None = None
    ) -> None:
        self._uploads = uploads
        self._bucket = bucket
        self.key = key
        self._attributes = attributes_of(intermediate=intermediate, content_type=content_type)
        self._buffer = bytearray()
        self._upload = MultipartUpload(uploads, bucket, key, self._attributes)
        self._put: Future[Any] | None = None
        self._etag: str | None = None
        self.measure = Measure()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._upload.__exit__(kind, error, traceback)

    def write(self, data: bytes) -> None:
        """Adds data; raises InputError when the object gets too large for S3's number of parts."""
        self.measure.update(data)
        self._buffer += data
        if len(self._buffer) >= part_bytes(self._upload.parts):
            self._send_part()

    def complete(self) -> None:
        """Makes the object appear. A small one is sent in the background: it is there when `Uploads` has ended."""
        if self._upload.parts:
            if self._buffer:
                self._send_part()
            self._etag = self._upload.complete()
        else:
            place = {"Bucket": self._bucket, "Key": self.key, "Body": self._take_buffer()}
            guard = writing(self._bucket, self.key)
            self._put = self._uploads.submit(guard, self._uploads.client.put_object, **place, **self._attributes)

    @property
    def etag(self) -> str:
        """ETag of the object, without its quotes; to be asked for when `Uploads` has ended."""
        if self._etag is None:
            if self._put is None:
                raise RuntimeError(f"s3://{self._bucket}/{self.key} is not complete")
            self._etag = str(self._put.result()["ETag"]).strip('"')
        return self._etag

    def _send_part(self) -> None:
        if self._upload.parts == MAX_PARTS:
            raise InputError(
                f"output s3://{self._bucket}/{self.key}: found more than {LARGEST_OBJECT_BYTES} bytes to write, "
                f"expected at most {LARGEST_OBJECT_BYTES}; use a smaller input or smaller shards"
            )
        self._upload.send_part(self._take_buffer())

    def _take_buffer(self) -> bytearray:
        taken, self._buffer = self._buffer, bytearray()
        return taken


def part_bytes(parts_before: int) -> int:
    """Size at which the next part is sent."""
    return int(min(FIRST_PART_BYTES * 2 ** (parts_before // PARTS_OF_A_SIZE), LARGEST_PART_BYTES))


def put_small(client: Any, bucket: str, key: str, body: bytes, *, content_type: str, intermediate: bool) -> None:
    """Writes a small object in one PUT; raises InputError or JobError."""
    attributes = attributes_of(intermediate=intermediate, content_type=content_type)
    with writing(bucket, key):
        client.put_object(Bucket=bucket, Key=key, Body=body, **attributes)


def put_json(client: Any, bucket: str, key: str, document: Mapping[str, Any], *, intermediate: bool) -> None:
    """Writes compact UTF-8 JSON in one PUT; raises InputError or JobError."""
    text = json_text(document)
    put_small(client, bucket, key, text, content_type="application/json", intermediate=intermediate)


def json_text(value: Any) -> bytes:
    """Compact UTF-8 JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def attributes_of(*, intermediate: bool, content_type: str | None) -> dict[str, str]:
    """What is said of an object when it is written."""
    tagging = {"Tagging": INTERMEDIATE_TAG} if intermediate else {}
    return tagging if content_type is None else tagging | {"ContentType": content_type}
