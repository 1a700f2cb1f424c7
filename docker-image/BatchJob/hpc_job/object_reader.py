"""Reads an S3 object from its beginning to its end, whatever happens to the connection."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import HTTPClientError, IncompleteReadError

from hpc_job.errors import JobError
from hpc_job.s3 import reading, reading_recorded
from hpc_job.text import CHUNK_BYTES

# Seconds before each try to go on reading after a lost connection; a try that brings data starts from the first again.
RESUME_AFTER_S = (0.5, 1, 2, 4, 8, 16, 32)
# Of one answer no more is read, since a server that reads ahead of a slow reader may hold a gigabyte of it. The first
# request asks for all (the size is not known before) and is broken off; each later one asks for the next piece only.
PIECE_BYTES = 64 * 1024 * 1024


class ObjectReader:
    """One version of one object, opened at once; `name` says in messages what the object is to the job.

    With `span` only these bytes of it (fewer when it ends before); with `etag` only the version that a job recorded.
    Raises InputError when the object is missing, denied, archived or not as recorded, JobError for what may pass.
    """

    def __init__(
        self, client: Any, bucket: str, key: str, name: str, *, span: range | None = None, etag: str | None = None
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._span = span
        self.name = name
        self.uri = f"s3://{bucket}/{key}"
        wanted = {} if span is None else {"Range": f"bytes={span.start}-{span.stop - 1}"}
        if etag is None:
            guard = reading(bucket, key, name)
        else:
            guard = reading_recorded(bucket, key, name)
            wanted["IfMatch"] = f'"{etag}"'
        with guard:
            response = client.get_object(Bucket=bucket, Key=key, **wanted)
        self.etag: str = response["ETag"]
        self.bytes: int = response["ContentLength"]
        self._body = response["Body"]
        self._piece_end = min(PIECE_BYTES, self.bytes)

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        """What was opened, once, in chunks of at most `chunk_bytes`.

        A lost connection is taken up again where it broke, and the next piece where the last one ended, only on the
        same version. Raises JobError when it was changed in the meantime, or when it cannot be reached any more.
        """
        position = 0
        tries = 0
        while position < self.bytes:
            try:
                for chunk in self._body.iter_chunks(chunk_bytes):
                    position += len(chunk)
                    tries = 0
                    yield chunk
                    if position >= self._piece_end:
                        break
                if position < self._piece_end:  # it ended without an error
                    break
            except (HTTPClientError, IncompleteReadError) as error:
                if tries == len(RESUME_AFTER_S):
                    raise JobError(f"{self.name} {self.uri}: connection lost at byte {position}: {error}") from error
                time.sleep(RESUME_AFTER_S[tries])
                tries += 1
            self._open_next(position)
        self._body.close()
        if position != self.bytes:
            raise JobError(f"{self.name} {self.uri}: found {position} bytes, expected {self.bytes}")

    def read(self) -> bytes:
        """All of it at once, for what is known to be small."""
        return b"".join(self.chunks())

    def check_unchanged(self) -> None:
        """Raises JobError when the object is no longer the version that was read."""
        with reading(self._bucket, self._key, self.name):
            self._client.head_object(Bucket=self._bucket, Key=self._key, IfMatch=self.etag)

    def _open_next(self, position: int) -> None:
        """Goes on from a position, to the end of the next piece."""
        self._body.close()
        if position == self.bytes:
            return
        self._piece_end = min(position + PIECE_BYTES, self.bytes)
        start = self._span.start if self._span else 0
        rest = f"bytes={start + position}-{start + self._piece_end - 1}"
        with reading(self._bucket, self._key, self.name):
            response = self._client.get_object(Bucket=self._bucket, Key=self._key, IfMatch=self.etag, Range=rest)
        self._body = response["Body"]


def read_json(
    client: Any, bucket: str, key: str, name: str, *, object_hook: Callable[[dict[str, Any]], Any] | None = None
) -> dict[str, Any]:
    """A JSON object; raises JobError when it is something else, and what ObjectReader raises.

    `object_hook` takes the place of each object in it as soon as it is parsed, so that a long list need not be held as
    dictionaries.
    """
    reader = ObjectReader(client, bucket, key, name)
    text = reader.read()
    try:
        document = json.loads(text, object_hook=object_hook)
    except ValueError as error:
        raise JobError(f"{name} {reader.uri}: found text that is not JSON ({error}), expected a record") from error
    if not isinstance(document, dict):
        raise JobError(f"{name} {reader.uri}: found a JSON {type(document).__name__}, expected a record")
    return document
