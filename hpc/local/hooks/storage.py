"""S3: buckets and their policies stay with the emulator, objects go to the object store on disk."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode
from xml.sax.saxutils import escape

from ministack.core import iam_actions
from ministack.services import s3, stepfunctions
from ministack.services.cloudformation import provisioners

from hpc.local.front_door import PRESIGNED_PARAMETERS, ROUTE_HEADER, SIGNING_HEADERS, TO_STORE
from hpc.local.hooks.replacing import replace
from hpc.local.hooks.shown import shown_request
from hpc.local.object_store import ObjectStore, why_not_a_key

# The CDK's own buckets: CloudFormation and Lambda read templates and code from the emulator's memory.
_KEPT_IN_EMULATOR = "cdk-"
_NOT_EMPTY = "The bucket you tried to delete is not empty"
# What a request for a bucket may ask of its objects; every other one is about the bucket.
_LISTING = frozenset(
    [
        "list-type",
        "prefix",
        "delimiter",
        "marker",
        "max-keys",
        "encoding-type",
        "continuation-token",
        "start-after",
        "fetch-owner",
        "uploads",
        "versions",
        "key-marker",
        "upload-id-marker",
        "version-id-marker",
        "max-uploads",
        "x-id",
    ]
)


def is_in_store(bucket: str) -> bool:
    """Whether a bucket of the emulator keeps its objects in the object store."""
    return not bucket.startswith(_KEPT_IN_EMULATOR) and s3._bucket_owner_account(bucket) is not None


def goes_to_store(method: str, path: str, query: str) -> bool:
    """Whether a request is about objects of a bucket whose objects are in the object store."""
    bucket, _, key = path.removeprefix("/").partition("/")
    if not is_in_store(bucket):
        return False
    if key:
        return True
    names = {name for name in parse_qs(query, keep_blank_values=True) if name not in PRESIGNED_PARAMETERS}
    return (method == "GET" and names <= _LISTING) or (method == "POST" and "delete" in names)


def writes_object(method: str, path: str, query: str) -> bool:
    """Whether a request writes an object of any bucket, or a part of one; deleting many of them is a POST, too."""
    if method == "POST":
        return goes_to_store(method, path, query) and "delete" not in parse_qs(query, keep_blank_values=True)
    bucket, _, key = path.removeprefix("/").partition("/")
    return method == "PUT" and bool(key) and s3._bucket_owner_account(bucket) is not None


def refusal(path: str, query: str, copy_source: str, keys_to_delete: bytes = b"") -> bytes | None:
    """S3's error document for a request that names a key which the object store would take for another one.

    Keys are named by the path, the prefix of a listing, the source of a copy (the header, encoded as it was sent, empty
    without one) and the body of DeleteObjects.
    """
    named = [path, unquote(copy_source).partition("?")[0]]
    keys = [name.removeprefix("/").partition("/")[2] for name in named]
    keys += parse_qs(query).get("prefix", [])
    if keys_to_delete:
        try:
            keys += _keys_in(keys_to_delete)
        except (iam_actions.ParseError, ValueError) as error:
            return _error("MalformedXML", f"The body is not what DeleteObjects takes: {error}")
    problem = next((problem for key in keys if (problem := why_not_a_key(key))), None)
    return None if problem is None else _error("InvalidArgument", problem)


def _keys_in(body: bytes) -> list[str]:
    """The keys that the body of a DeleteObjects names, by the parser with which the emulator's IAM finds them.

    Raises ParseError or ValueError for a body of which the object store might read other keys than IAM.
    """
    keys = []
    for element in iam_actions.fromstring(body).iter():
        if _name(element) == "Object":
            named = [child for child in element if _name(child) == "Key"]
            if len(named) != 1 or len(named[0]):
                raise ValueError("found an Object that does not name one key, expected <Object><Key>key</Key></Object>")
            keys.append(named[0].text or "")
    return keys


def _name(element: Any) -> str:
    """An element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _error(code: str, message: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>".encode()


def install(store: ObjectStore) -> None:
    """The emulator's S3 signs shown requests for the store, and passes on those that reach it by other ways."""
    _hand_objects_to(store)
    _keep_buckets_in_step(store)

    def read_text(bucket: str, key: str) -> str:
        body = store.read(bucket, key)
        if body is None:
            cause = f"The specified key does not exist. (Bucket: {bucket}, Key: {key})"
            raise stepfunctions._ExecutionError("States.ItemReaderFailed", cause)
        return body.decode()

    replace(stepfunctions, "_s3_object_text", read_text)


def _hand_objects_to(store: ObjectStore) -> None:
    handle = s3.handle_request

    async def handle_request(method: str, path: str, headers: Any, body: bytes, query: dict[str, Any]) -> Any:
        shown = shown_request.get()
        if shown is not None:
            # The emulator's IAM leaves a signature in the query to its S3.
            unsigned = s3._verify_presigned_sigv4(method, path, headers, query)
            if unsigned is not None:
                return unsigned
            uri = _without_signature(shown.uri)
            signed = store.signed_headers(method, uri, shown.payload_hash, shown.amz_headers)
            return 200, {ROUTE_HEADER: TO_STORE, **{SIGNING_HEADERS[name]: signed[name] for name in signed}}, b""
        text = urlencode(query, doseq=True)
        if not goes_to_store(method, path, text):
            return await handle(method, path, headers, body, query)
        keys_to_delete = body if method == "POST" and "delete" in query else b""
        refused = refusal(path, text, headers.get("x-amz-copy-source", ""), keys_to_delete)
        if refused is not None:
            return 400, {"Content-Type": "application/xml"}, refused
        uri = _without_signature(quote(path) + (f"?{text}" if text else ""))
        kept = {name: value for name, value in headers.items() if name.lower() in ("content-type", "content-md5")}
        status, answer, content = await asyncio.to_thread(store.request, method, uri, headers=kept, body=body)
        return status, {name: answer[name] for name in answer if name in ("Content-Type", "ETag")}, content

    replace(s3, "handle_request", handle_request)


def _keep_buckets_in_step(store: ObjectStore) -> None:
    """A bucket is made and deleted in both places; one that holds objects is not deleted."""
    create, delete = s3._create_bucket, s3._delete_bucket
    handlers = provisioners._RESOURCE_HANDLERS
    form, unform = handlers["AWS::S3::Bucket"]["create"], handlers["AWS::S3::Bucket"]["delete"]

    def create_both(name: str, *args: Any, **kwargs: Any) -> Any:
        answer = create(name, *args, **kwargs)
        if answer[0] == 200 and is_in_store(name):
            store.create_bucket(name)
        return answer

    def delete_both(name: str, *args: Any, **kwargs: Any) -> Any:
        kept_in_store = is_in_store(name)
        if kept_in_store and not store.is_empty(name):
            return s3._error("BucketNotEmpty", _NOT_EMPTY, 409, f"/{name}")
        answer = delete(name, *args, **kwargs)
        if answer[0] == 204 and kept_in_store:
            store.delete_bucket(name)
        return answer

    def form_both(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        name, attributes = form(logical_id, properties, stack)
        if is_in_store(name):
            store.create_bucket(name)
        return name, attributes

    def unform_both(name: str, properties: dict[str, Any]) -> None:
        if is_in_store(name):
            if not store.is_empty(name):
                raise ValueError(f"{_NOT_EMPTY}: {name}")
            store.delete_bucket(name)
        unform(name, properties)

    replace(s3, "_create_bucket", create_both)
    replace(s3, "_delete_bucket", delete_both)
    handlers["AWS::S3::Bucket"].update(create=form_both, delete=unform_both)


def _without_signature(uri: str) -> str:
    """The path and query without what makes it a presigned request."""
    path, _, query = uri.partition("?")
    kept = [part for part in query.split("&") if part and part.partition("=")[0] not in PRESIGNED_PARAMETERS]
    return f"{path}?{'&'.join(kept)}" if kept else path
