"""Whether a call is signed (SigV4) with the key that the tests gave the page, as API Gateway checks it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from flask import Request

REGION = "eu-central-1"
CREDENTIALS = Credentials("AKIAPAGETESTS0000000", "page-tests-secret")
_SERVICE = "execute-api"
_GOOD_FOR_S = 300


def is_signed(asked: Request, body: bytes) -> bool:
    """Whether the signature is what botocore makes of this very request with the tests' key."""
    given = re.fullmatch(
        rf"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{{8}}/([^/]+)/{_SERVICE}/aws4_request, "
        r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})",
        asked.headers.get("Authorization", ""),
    )
    if not given or (given[1], given[2]) != (CREDENTIALS.access_key, REGION):
        return False
    stamp = datetime.strptime(asked.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs((datetime.now(UTC) - stamp).total_seconds()) > _GOOD_FOR_S:
        return False
    signed = {name: asked.headers[name] for name in given[3].split(";") if name != "host"}
    copy = AWSRequest(asked.method, _url_as_it_came(asked), headers=signed, data=body or None)
    copy.context["timestamp"] = asked.headers["X-Amz-Date"]
    signer = SigV4Auth(CREDENTIALS, _SERVICE, REGION)
    text = signer.string_to_sign(copy, signer.canonical_request(copy))
    return signer.signature(text, copy) == given[4]


def _url_as_it_came(asked: Request) -> str:
    """werkzeug's own `url` has lost some of the escapes."""
    query = asked.query_string.decode()
    path = asked.environ["REQUEST_URI"].partition("?")[0]
    return asked.host_url.rstrip("/") + path + (f"?{query}" if query else "")
