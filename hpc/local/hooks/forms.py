"""Form uploads to S3 (a presigned POST): the form is signed, not the request, and the store keeps the object."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from ministack.core import iam_evaluator
from ministack.services import s3

from hpc.local.configuration import ACCOUNT
from hpc.local.hooks.accounts import enter
from hpc.local.hooks.storage import is_in_store, refusal
from hpc.local.object_store import ObjectStore

# A form is in memory whole; what is larger goes up by the SDKs, which stream.
MAX_FORM_BYTES = 65 * 2**20
Answer = tuple[int, dict[str, str], bytes]
_XML = {"Content-Type": "application/xml"}


def bucket_of_form(method: str, path: str, content_type: str) -> str | None:
    """The bucket in the store that a form is for; None for any other request."""
    bucket = path.strip("/")
    is_form = method == "POST" and content_type.startswith("multipart/form-data")
    return bucket if is_form and "/" not in bucket and is_in_store(bucket) else None


def store_form(store: ObjectStore, bucket: str, body: bytes, content_type: str) -> Answer:
    """S3's answer; the emulator checks the form's policy, its signature, and what its signer may do."""
    region = s3.bucket_region(bucket)
    enter(ACCOUNT, region)
    iam_evaluator.pin_request_origin("127.0.0.1", True)
    parts = s3._parse_multipart_form(content_type, body)
    texts = {name.lower(): value.decode(errors="replace") for name, _, _, value in parts if name != "file"}
    found = next(((file_name or "", value) for name, file_name, _, value in parts if name == "file"), None)
    if found is None or not texts.get("key"):
        return _error("InvalidArgument", "POST requires a file field and a field named 'key'.", 400)
    file_name, content = found
    kept = ("policy", "x-amz-signature", "signature")
    fields = {name: text if name in kept else text.replace("${filename}", file_name) for name, text in texts.items()}
    is_version_4 = "x-amz-signature" in fields
    # A form that nobody signed: the emulator would take it from anyone.
    if not is_version_4 and "signature" not in fields:
        return _error("AccessDenied", "Access Denied", 403)
    refused = s3._enforce_signed_post_policy(fields, bucket, region, len(content), is_version_4)
    if refused is not None:
        return _answer(refused)
    path = f"/{bucket}/{fields['key']}"
    not_a_key = refusal(path, "", "")
    if not_a_key is not None:
        return 400, _XML, not_a_key
    kind = {"Content-Type": fields.get("content-type", "binary/octet-stream")}
    status, answer, text = store.request("PUT", quote(path), headers=kind, body=content)
    if status != 200:
        return status, _XML, text
    return 204, {"ETag": answer.get("ETag", "")}, b""


def too_large() -> Answer:
    """S3's answer to a form that is larger than any policy here allows."""
    return _error("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.", 400)


def _error(code: str, message: str, status: int) -> Answer:
    return _answer(s3._error(code, message, status))


def _answer(found: Any) -> Answer:
    status, headers, body = found
    return int(status), dict(headers), body if isinstance(body, bytes) else str(body).encode()
