"""The platform's REST API, as the page uses it: each call signed with the page's own credentials (SigV4)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

_SERVICE = "execute-api"
# API Gateway itself gives up after 29 s.
_TIMEOUT = urllib3.Timeout(connect=3.0, read=30.0)
# A call that may have arrived is not repeated here; a connection that could not be made changes nothing.
_RETRIES = urllib3.Retry(connect=2, read=0, status=0, redirect=0, other=0, backoff_factor=0.1)

# A path with one of these is another path than it seems, and `quote` leaves them as they are.
_NO_NAMES = frozenset({"", ".", ".."})

Query = Mapping[str, str | int | None]


@dataclass(frozen=True)
class FieldError:
    """What the API says of one field."""

    field: str
    detail: str


class Problem(Exception):
    """The API refused a call (RFC 9457): its status (of 400 to 499), and what it said of which field."""

    def __init__(self, status: int, title: str, detail: str, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail or title)
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors


class ApiUnreachable(Exception):
    """The API gave no answer, or none that it would give itself; the text says what was found."""


class NoCredentials(ApiUnreachable):
    """The page's own credentials have expired, or cannot be had any more; the text says what was found."""


class Api:
    """Calls of the API. `owner` is passed on only where the page itself knows who is signed in."""

    def __init__(self, endpoint: str, region: str, credentials: Credentials) -> None:
        """`credentials` are botocore's and may refresh themselves."""
        self._endpoint = endpoint
        self._region = region
        self._credentials = credentials
        self._pool = urllib3.PoolManager(num_pools=4, maxsize=16, timeout=_TIMEOUT, retries=_RETRIES)

    def get(self, *path: str, query: Query | None = None, owner: str = "") -> Any:
        """The answer's JSON; raises Problem and ApiUnreachable. Empty values of the query are left out."""
        return self._call("GET", path, query=query or {}, owner=owner)

    def post(
        self,
        *path: str,
        body: Mapping[str, Any] | None = None,
        idempotency_key: str = "",
        query: Query | None = None,
        owner: str = "",
    ) -> Any:
        """The answer's JSON; raises Problem and ApiUnreachable."""
        return self._call(
            "POST", path, query=query or {}, body=body or {}, idempotency_key=idempotency_key, owner=owner
        )

    def _call(
        self,
        method: str,
        path: tuple[str, ...],
        *,
        query: Query,
        body: Mapping[str, Any] | None = None,
        idempotency_key: str = "",
        owner: str = "",
    ) -> Any:
        if any(part in _NO_NAMES for part in path):
            raise Problem(404, "Not Found", "")
        url = "/".join([self._endpoint, *(quote(part, safe="") for part in path)])
        given = {name: str(value) for name, value in query.items() if value not in (None, "")}
        if given:
            url += "?" + urlencode(given, quote_via=quote)
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        if owner:
            headers["X-Hpc-Owner"] = owner
        request = AWSRequest(method, url, headers=headers, data=json.dumps(body) if body is not None else None)
        SigV4Auth(self._frozen_credentials(), _SERVICE, self._region).add_auth(request)
        try:
            answer = self._pool.request(
                method, url, headers=dict(request.headers.items()), body=request.body, redirect=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise ApiUnreachable(f"{method} {url}: {error}") from error
        return _read(f"{method} {url}", answer)

    def _frozen_credentials(self) -> Any:
        """Frozen, so that a refresh in another thread cannot change half of a key under the signature."""
        try:
            return self._credentials.get_frozen_credentials()
        # The last for credentials that come expired from their source.
        except (BotoCoreError, ClientError, RuntimeError) as error:
            raise NoCredentials(f"The page's credentials cannot be refreshed: {error}") from error


def _read(call: str, answer: urllib3.BaseHTTPResponse) -> Any:
    # API Gateway's own word; what the API answers has no such header.
    if answer.headers.get("x-amzn-ErrorType", "").startswith("ExpiredToken"):
        raise NoCredentials(f"{call}: answered {answer.status}: {answer.data[:500]!r}")
    try:
        document = json.loads(answer.data)
    except ValueError as error:
        raise ApiUnreachable(f"{call}: answered {answer.status} without JSON: {answer.data[:200]!r}") from error
    if 200 <= answer.status < 300:
        return document
    if answer.status == 429:  # API Gateway's own words have no title
        raise Problem(429, "Too Many Requests", "")
    if not isinstance(document, dict) or "title" not in document or not 400 <= answer.status < 500:
        # API Gateway's own refusals (a wrong signature, no permission) are {"message": ...}.
        raise ApiUnreachable(f"{call}: answered {answer.status}: {answer.data[:500]!r}")
    errors = tuple(
        FieldError(field=str(entry.get("field", "")), detail=str(entry.get("detail", "")))
        for entry in document.get("errors") or []
        if isinstance(entry, dict)
    )
    raise Problem(answer.status, str(document["title"]), str(document.get("detail", "")), errors)
