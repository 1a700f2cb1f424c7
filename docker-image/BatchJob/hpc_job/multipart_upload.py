"""An S3 object made of parts, each of them sent or copied from another object, in the background."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from hpc_job.s3 import reading_recorded, writing
from hpc_job.uploads import Uploads

# Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
MAX_PARTS = 10_000
LEAST_PART_BYTES = 5 * 1024 * 1024  # of each part but the last

NO_ATTRIBUTES: Mapping[str, str] = MappingProxyType({})
ABORT_WAIT_S = 5  # parts under way when an upload is aborted; after SIGTERM Batch leaves a job 30 s


@dataclass(frozen=True)
class RecordedObject:
    """An object in the version that its job recorded; `name` says in messages what it is to this job."""

    bucket: str
    key: str
    etag: str
    name: str


class MultipartUpload:
    """One object that appears when `complete` has been called, and never in part; it begins with its first part.

    `attributes` are said of the object when it begins, in the words of CreateMultipartUpload. As a context manager it
    aborts when it is left without `complete`.
    """

    def __init__(self, uploads: Uploads, bucket: str, key: str, attributes: Mapping[str, str] = NO_ATTRIBUTES) -> None:
        self._uploads = uploads
        self._place = {"Bucket": bucket, "Key": key}
        self._attributes = attributes
        self._id: str | None = None
        self._parts: list[Future[Any]] = []
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._ended:
            self.abort()

    @property
    def parts(self) -> int:
        """Number of parts sent or copied so far."""
        return len(self._parts)

    def send_part(self, body: bytes | bytearray) -> None:
        """The next part; raises JobError or InputError when an earlier one has failed."""
        arguments = self._next_part()
        call = self._uploads.client.upload_part
        guard = self._writing()
        self._parts.append(self._uploads.submit(guard, call, **arguments, ChecksumAlgorithm="CRC32", Body=body))

    def copy_part(self, source: RecordedObject, span: range | None = None) -> None:
        """The next part is made by S3 from an object, all of it or the bytes of `span`; no data comes here.

        Raises JobError or InputError when an earlier part has failed. It fails when the object has changed.
        """
        arguments = self._next_part()
        arguments |= {
            "CopySource": {"Bucket": source.bucket, "Key": source.key},
            "CopySourceIfMatch": f'"{source.etag}"',
        }
        if span is not None:
            arguments["CopySourceRange"] = f"bytes={span.start}-{span.stop - 1}"
        call = self._uploads.client.upload_part_copy
        guard = reading_recorded(source.bucket, source.key, source.name)
        self._parts.append(self._uploads.submit(guard, call, **arguments))

    def complete(self) -> str:
        """Makes the object appear when all its parts are there, and returns its ETag; there must be a part."""
        parts = [completed_part(number, part.result()) for number, part in enumerate(self._parts, start=1)]
        with self._writing():
            response = self._uploads.client.complete_multipart_upload(
                **self._place, UploadId=self._id, MultipartUpload={"Parts": parts}
            )
        self._ended = True
        return str(response["ETag"]).strip('"')

    def abort(self) -> None:
        """Drops what was sent; what cannot be dropped now, the bucket's lifecycle drops after some days."""
        self._ended = True
        if self._id is None:
            return
        for part in self._parts:
            part.cancel()
        wait(self._parts, timeout=ABORT_WAIT_S)
        try:
            self._uploads.client.abort_multipart_upload(**self._place, UploadId=self._id)
        except (ClientError, BotoCoreError) as error:
            uri = "s3://{Bucket}/{Key}".format(**self._place)
            print(f"unfinished upload of {uri} is left to expire: {error}", file=sys.stderr)

    def _next_part(self) -> dict[str, Any]:
        if self._id is None:
            with self._writing():
                response = self._uploads.client.create_multipart_upload(
                    **self._place, ChecksumAlgorithm="CRC32", **self._attributes
                )
            self._id = response["UploadId"]
        return self._place | {"UploadId": self._id, "PartNumber": self.parts + 1}

    def _writing(self) -> AbstractContextManager[None]:
        return writing(self._place["Bucket"], self._place["Key"])


def completed_part(number: int, response: Mapping[str, Any]) -> dict[str, Any]:
    """How CompleteMultipartUpload names a part; with its checksum when S3 returned one, which it then asks for."""
    result = response.get("CopyPartResult", response)
    part: dict[str, Any] = {"PartNumber": number, "ETag": result["ETag"]}
    if "ChecksumCRC32" in result:
        part["ChecksumCRC32"] = result["ChecksumCRC32"]
    return part
