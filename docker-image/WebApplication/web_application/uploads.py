"""Sends a person's file on to S3, by the presigned POST that the API hands out for it."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import IO, Any

import urllib3

from web_application.api import ApiUnreachable

_BLOCK_BYTES = 1 << 20
_CODE = re.compile(r"<Code>([A-Za-z.]{1,60})</Code>")
_POOL = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5.0, read=120.0), retries=False)


class RefusedUpload(Exception):
    """S3 did not take the file; `code` is its name of the reason (such as AccessDenied), the text all that it said."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"S3 answered {status}: {said!r}")
        named = _CODE.search(said)
        self.code = named[1] if named else str(status)


def size_and_sha256(file: IO[bytes]) -> tuple[int, str]:
    """A file's length in bytes and its checksum; it is at its beginning again afterwards."""
    digest = hashlib.sha256()
    size = 0
    file.seek(0)
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
        size += len(block)
    file.seek(0)
    return size, digest.hexdigest()


def send(target: Mapping[str, Any], file: IO[bytes], size: int) -> None:
    """Streams `size` bytes to a presigned POST (`url`, `fields`); raises RefusedUpload and ApiUnreachable."""
    boundary = uuid.uuid4().hex
    before = b"".join(_field(boundary, name, str(value)) for name, value in target["fields"].items())
    # S3 takes the key from the fields; the name here is only a formality, so it is one that needs no escaping.
    before += (
        f"--{boundary}\r\n"
        'Content-Disposition: form-data; name="file"; filename="file"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()
    after = f"\r\n--{boundary}--\r\n".encode()

    def body() -> Iterator[bytes]:
        yield before
        while block := file.read(_BLOCK_BYTES):
            yield block
        yield after

    headers = {
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Content-Length": str(len(before) + size + len(after)),  # S3 takes no chunked POST
    }
    try:
        answer = _POOL.request("POST", target["url"], headers=headers, body=body(), redirect=False)
    except urllib3.exceptions.HTTPError as error:
        raise ApiUnreachable(f"POST {target['url']}: {error}") from error
    if answer.status not in {200, 201, 204}:
        raise RefusedUpload(answer.status, answer.data[:1000].decode(errors="replace"))


def _field(boundary: str, name: str, value: str) -> bytes:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
