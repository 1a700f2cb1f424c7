"""A double of S3 as the page and browsers use it: presigned POSTs with their policy's limits, presigned links."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from flask import Flask, Response, request

BUCKET = "production-abc-data"
MOST_BYTES = 1_000_000
_PATH = f"/s3/{BUCKET}"


class S3Double:
    """One bucket; tests read `objects` (bytes by key), and let it refuse everything."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.refuses_posts = False
        self._policies: dict[str, tuple[str, str]] = {}

    def install(self, app: Flask) -> None:
        app.add_url_rule(_PATH, view_func=self.take_post, methods=["POST"])
        app.add_url_rule(f"{_PATH}/<path:key>", view_func=self.give)

    def presigned_post(self, key: str) -> dict[str, Any]:
        """What is to be sent where, so that one file lies under this key and no other."""
        policy, signature = secrets.token_urlsafe(40), secrets.token_hex(32)
        self._policies[policy] = (key, signature)
        fields = {"key": key, "policy": policy, "x-amz-signature": signature}
        return {"url": f"{request.host_url.rstrip('/')}{_PATH}", "fields": fields}

    def presigned_link(self, key: str) -> str:
        return f"{request.host_url.rstrip('/')}{_PATH}/{key}?X-Amz-Signature={_signature_of(key)}"

    def take_post(self) -> Any:
        key, signature = self._policies.get(request.form.get("policy", ""), ("", ""))
        signed = bool(key) and (request.form.get("key"), request.form.get("x-amz-signature")) == (key, signature)
        if not signed or self.refuses_posts:
            return _refusal(403, "AccessDenied", "Invalid according to Policy: Policy expired.")
        body = request.files["file"].read()
        if len(body) > MOST_BYTES:
            return _refusal(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        self.objects[key] = body
        return Response(status=204)

    def give(self, key: str) -> Any:
        if request.args.get("X-Amz-Signature") != _signature_of(key):
            return _refusal(403, "SignatureDoesNotMatch", "The request signature we calculated does not match")
        disposition = f'attachment; filename="{key.rpartition("/")[2]}"'
        return Response(
            self.objects[key], mimetype="application/octet-stream", headers={"Content-Disposition": disposition}
        )


def _refusal(status: int, code: str, message: str) -> Response:
    """As S3 refuses: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(text, status=status, mimetype="application/xml")


def _signature_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
