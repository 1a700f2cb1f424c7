"""Requests: who is let in, and the questions of the front door."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import Any
from urllib.parse import parse_qs, unquote

from ministack import app
from ministack.core import iam_evaluator
from ministack.services import sts

from hpc.local.batch import BatchService
from hpc.local.front_door import AUTHORIZE_PATH, LENGTH_HEADER, ROUTE_HEADER, TO_EMULATOR
from hpc.local.hooks.forms import MAX_FORM_BYTES, bucket_of_form, store_form, too_large
from hpc.local.hooks.replacing import replace
from hpc.local.hooks.shown import ShownRequest, shown_request
from hpc.local.hooks.storage import goes_to_store, refusal, writes_object
from hpc.local.object_store import ObjectStore

# What uploads leave free on the disk, for the platform's own state.
MIN_FREE_BYTES = 64 * 1024 * 1024
NO_ROOM = (
    b"<Error><Code>InsufficientStorage</Code><Message>The disk of the laptop platform is full: "
    b"free some space, then try again</Message></Error>"
)
SLOW_DOWN = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate (fault switch)</Message></Error>"
# What belongs to the client's signature, in whose place the object store gets one of the platform's.
_OF_SIGNATURE = ("x-amz-date", "x-amz-content-sha256", "x-amz-security-token")
Scope = dict[str, Any]

_XML = [(b"content-type", b"application/xml")]


def install(service: BatchService, store: ObjectStore, *, state_dir: str) -> None:
    """Signed requests only, TLS on loopback taken for granted, and the end of the server is the end of the process."""
    _trust_loopback()
    _refuse_root_keys()
    replace(app, "app", _Guard(service, store, state_dir))
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


class _Guard:
    """The server behind the front door: refuses what there is no room for, takes forms for the store, and answers
    for shown requests.

    Its end is the process's end: a Lambda or a Map that waits in a thread would keep it alive for minutes.
    """

    def __init__(self, service: BatchService, store: ObjectStore, state_dir: str) -> None:
        self._serve = app.app
        self._store = store
        self._service = service
        self._state_dir = state_dir

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._serve(scope, receive, self._ending(send))
        elif scope["type"] == "http" and scope["path"] == AUTHORIZE_PATH:
            await self._answer_shown(scope, receive, send)
        elif scope["type"] == "http" and _is_upload(scope) and not self._has_room(_headers(scope)):
            await _send(send, 507, _XML, NO_ROOM)
        elif scope["type"] == "http" and (bucket := _bucket_of_form(scope)):
            await self._take_form(bucket, scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _take_form(self, bucket: str, scope: Scope, receive: Any, send: Any) -> None:
        body = bytearray()
        is_whole = False
        while not is_whole and len(body) <= MAX_FORM_BYTES:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            is_whole = not message.get("more_body")
        given = (self._store, bucket, bytes(body), _headers(scope)["content-type"])
        status, answer, content = await asyncio.to_thread(store_form, *given) if is_whole else too_large()
        await _send(send, status, [(name.encode(), value.encode()) for name, value in answer.items()], content)

    async def _answer_shown(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answers 200 with the request's route, or what the emulator answers to a request that may not be made."""
        headers = _headers(scope)
        method, uri = headers["x-forwarded-method"], headers["x-forwarded-uri"]
        raw_path, _, query = uri.partition("?")
        path = unquote(raw_path)
        # A request for the emulator itself is judged when it comes there, with its body.
        names_keys = method == "POST" and "delete" in parse_qs(query, keep_blank_values=True)
        if names_keys or not goes_to_store(method, path, query):
            await _send(send, 200, [(ROUTE_HEADER.encode(), TO_EMULATOR.encode())], b"")
            return
        refused = refusal(path, query, headers.get("x-amz-copy-source", ""))
        if refused is not None:
            await _send(send, 400, _XML, refused)
            return
        fault = self._service.faults.for_call(f"s3:{method}")
        await asyncio.sleep(fault.delay_s)
        if fault.is_throttled:
            await _send(send, 503, _XML, SLOW_DOWN)
            return
        if writes_object(method, path, query) and not self._has_room(headers):
            await _send(send, 507, _XML, NO_ROOM)
            return
        token = shown_request.set(_shown(uri, headers))
        try:
            original = {"method": method, "path": path, "raw_path": raw_path.encode(), "query_string": query.encode()}
            await self._serve({**scope, **original, "headers": _as_sent(scope)}, receive, send)
        finally:
            shown_request.reset(token)

    def _has_room(self, headers: dict[str, str]) -> bool:
        length = headers.get(LENGTH_HEADER.lower()) or headers.get("content-length") or "0"
        needed = MIN_FREE_BYTES + (int(length) if length.isdecimal() else 0)
        return shutil.disk_usage(self._state_dir).free > needed

    def _ending(self, send: Any) -> Any:
        async def send_or_exit(message: dict[str, Any]) -> None:
            if message["type"] == "lifespan.shutdown.complete":  # the state is saved
                self._service.stop()
                os._exit(0)
            await send(message)

        return send_or_exit


def _is_upload(scope: Scope) -> bool:
    """Whether an object comes with this request; every other one may help to free space, such as a look or a delete."""
    query = scope["query_string"].decode("latin-1")
    return writes_object(scope["method"], scope["path"], query) or _bucket_of_form(scope) is not None


def _bucket_of_form(scope: Scope) -> str | None:
    return bucket_of_form(scope["method"], scope["path"], _headers(scope).get("content-type", ""))


def _shown(uri: str, headers: dict[str, str]) -> ShownRequest:
    amz_headers = {name: headers[name] for name in headers if name.startswith("x-amz-") and name not in _OF_SIGNATURE}
    return ShownRequest(uri, headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), amz_headers)


def _take_shown_requests_without_bodies() -> None:
    """The body of a shown request stays with the front door; its hash is signed, but compared by nobody."""
    read_body = app._read_request_body

    async def read(receive: Any, method: str, headers: dict[str, str]) -> bytes:
        if shown_request.get() is not None:
            return b""
        body: bytes = await read_body(receive, method, headers)
        return body

    replace(app, "_read_request_body", read)


def _as_sent(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The headers that the client sent, without those of the front door."""
    ours = (b"x-forwarded-", b"x-hpc-")
    return [(name, value) for name, value in scope["headers"] if not name.lower().startswith(ours)]


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def _send(send: Any, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
