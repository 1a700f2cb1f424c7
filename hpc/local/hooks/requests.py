"""Requests: who is let in, and the questions of the front door."""

from __future__ import annotations

import os
import shutil
from typing import Any
from urllib.parse import parse_qs, unquote

from ministack import app
from ministack.core import iam_evaluator
from ministack.services import sts

from hpc.local.batch import BatchService
from hpc.local.front_door import AUTHORIZE_PATH, LENGTH_HEADER, ROUTE_HEADER, TO_EMULATOR
from hpc.local.hooks.replacing import replace
from hpc.local.hooks.shown import ShownRequest, shown_request
from hpc.local.hooks.storage import goes_to_store

# What the disk keeps free for the platform's own state.
MIN_FREE_BYTES = 64 * 1024 * 1024
NO_ROOM = (
    b"<Error><Code>InsufficientStorage</Code><Message>The disk of the laptop platform is full: "
    b"free some space, then try again</Message></Error>"
)
# What belongs to the client's signature, in whose place the object store gets one of the platform's.
_OF_SIGNATURE = ("x-amz-date", "x-amz-content-sha256", "x-amz-security-token")
_XML = [(b"content-type", b"application/xml")]


def install(service: BatchService, *, state_dir: str) -> None:
    """Signed requests only, TLS on loopback taken for granted, and the end of the server is the end of the process."""
    _trust_loopback()
    _refuse_root_keys()
    _guard_server(service, state_dir)
    _take_shown_requests_without_bodies()


def _trust_loopback() -> None:
    """The templates deny requests without TLS; on 127.0.0.1 there is no wire to listen on, so it counts as secure."""
    pin = iam_evaluator.pin_request_origin

    def pin_secure(_source_ip: str, _secure_transport: bool) -> None:
        pin("127.0.0.1", True)

    replace(iam_evaluator, "pin_request_origin", pin_secure)
    replace(app, "pin_request_origin", pin_secure)


def _refuse_root_keys() -> None:
    """ministack takes no key, the key `test` and bare account ids for root, unsigned; here every caller signs."""

    def is_root(_access_key_id: str) -> bool:
        return False

    replace(iam_evaluator, "is_root_access_key", is_root)
    replace(sts, "is_root_access_key", is_root)


def _guard_server(service: BatchService, state_dir: str) -> None:
    """An object that the disk has no room for is refused, and shown requests get their answer.

    The server's end is the process's end: a Lambda or a Map that waits in a thread would keep it alive for minutes.
    """
    serve = app.app

    async def guarded(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await serve(scope, receive, _ending(service, send))
            return
        if scope["type"] == "http" and scope["path"] == AUTHORIZE_PATH:
            await _answer_shown(serve, scope, receive, send, state_dir)
            return
        if scope["type"] == "http" and scope["method"] == "PUT" and not _has_room(_headers(scope), state_dir):
            await _send(send, 507, _XML, NO_ROOM)
            return
        await serve(scope, receive, send)

    replace(app, "app", guarded)


async def _answer_shown(serve: Any, scope: dict[str, Any], receive: Any, send: Any, state_dir: str) -> None:
    """Answers 200 with the request's route, or what the emulator answers to a request that may not be made."""
    headers = _headers(scope)
    method, uri = headers["x-forwarded-method"], headers["x-forwarded-uri"]
    raw_path, _, query = uri.partition("?")
    path = unquote(raw_path)
    # A request for the emulator itself is judged when it comes there, with its body.
    if (method == "POST" and "delete" in parse_qs(query, keep_blank_values=True)) or not goes_to_store(
        method, path, query
    ):
        await _send(send, 200, [(ROUTE_HEADER.encode(), TO_EMULATOR.encode())], b"")
        return
    if method in ("PUT", "POST") and not _has_room(headers, state_dir):
        await _send(send, 507, _XML, NO_ROOM)
        return
    amz_headers = {name: headers[name] for name in headers if name.startswith("x-amz-") and name not in _OF_SIGNATURE}
    shown = ShownRequest(uri, headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), amz_headers)
    token = shown_request.set(shown)
    try:
        original = {"method": method, "path": path, "raw_path": raw_path.encode(), "query_string": query.encode()}
        await serve({**scope, **original, "headers": _as_sent(scope)}, receive, send)
    finally:
        shown_request.reset(token)


def _take_shown_requests_without_bodies() -> None:
    """The body of a shown request stays with the front door; its hash is signed, and S3 compares it."""
    read_body = app._read_request_body

    async def read(receive: Any, method: str, headers: dict[str, str]) -> bytes:
        if shown_request.get() is not None:
            return b""
        body: bytes = await read_body(receive, method, headers)
        return body

    replace(app, "_read_request_body", read)


def _as_sent(scope: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """The headers that the client sent, without those of the front door."""
    ours = (b"x-forwarded-", b"x-hpc-")
    return [(name, value) for name, value in scope["headers"] if not name.lower().startswith(ours)]


def _headers(scope: dict[str, Any]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _has_room(headers: dict[str, str], state_dir: str) -> bool:
    length = headers.get(LENGTH_HEADER.lower()) or headers.get("content-length") or "0"
    return shutil.disk_usage(state_dir).free > MIN_FREE_BYTES + (int(length) if length.isdecimal() else 0)


async def _send(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _ending(service: BatchService, send: Any) -> Any:
    async def send_or_exit(message: dict[str, Any]) -> None:
        if message["type"] == "lifespan.shutdown.complete":  # the state is saved
            service.stop()
            os._exit(0)
        await send(message)

    return send_or_exit
