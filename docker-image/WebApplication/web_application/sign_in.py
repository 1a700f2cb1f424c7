"""Who is signed in: the load balancer's token, believed only when its signature and its signer are right.

Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html
(ES256; the header names the key and, as `signer`, the load balancer, which must be compared).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, Protocol

import jwt
import urllib3
from flask import abort

from web_application.api import ApiUnreachable

_HEADER = "x-amzn-oidc-data"
# What the API takes as an owner.
_OWNER = re.compile(r"[!-~]{1,256}")
_KEY_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
KEYS_URL = "https://public-keys.auth.elb.{region}.amazonaws.com/{key_id}"
_LEEWAY_S = 60
_POOL = urllib3.PoolManager(timeout=5.0, retries=urllib3.Retry(2))


class _Headers(Protocol):
    def get(self, name: str, /) -> str | None: ...


class SignIn:
    """Reads the token of one load balancer, whose ARN is `signer`."""

    def __init__(self, signer: str, region: str) -> None:
        self._signer = signer
        self._region = region
        self._keys: dict[str, str] = {}

    def owner(self, headers: _Headers) -> str:
        """The person's verified e-mail address, else the user pool's id of them; ends the request with 401."""
        token = headers.get(_HEADER)
        if not token:
            abort(401)
        try:
            claims = self._claims(token)
        except jwt.PyJWTError:
            abort(401)
        email = str(claims.get("email", ""))
        # An address that nobody verified may be somebody else's; one of other characters cannot be passed on.
        if _OWNER.fullmatch(email) and str(claims.get("email_verified", "")).lower() == "true":
            return email
        return str(claims["sub"])

    def _claims(self, token: str) -> Mapping[str, Any]:
        header = jwt.get_unverified_header(token)
        if header.get("signer") != self._signer:
            raise jwt.InvalidTokenError("another signer")
        key = self._key(str(header.get("kid", "")))
        claims: Mapping[str, Any] = jwt.decode(token, key, algorithms=["ES256"], options={"verify_aud": False})
        if not _OWNER.fullmatch(str(claims.get("sub", ""))):
            raise jwt.MissingRequiredClaimError("sub")
        # The load balancer puts the time of expiry into the header.
        if not isinstance(header.get("exp"), int | float) or header["exp"] < time.time() - _LEEWAY_S:
            raise jwt.ExpiredSignatureError
        return claims

    def _key(self, key_id: str) -> str:
        if not _KEY_ID.fullmatch(key_id):
            raise jwt.InvalidTokenError("no key id")
        if key_id not in self._keys:
            url = KEYS_URL.format(region=self._region, key_id=key_id)
            try:
                answer = _POOL.request("GET", url, redirect=False)
            except urllib3.exceptions.HTTPError as error:
                raise ApiUnreachable(f"GET {url}: {error}") from error
            if answer.status != 200:
                raise jwt.InvalidTokenError("unknown key")
            self._keys[key_id] = answer.data.decode()
        return self._keys[key_id]
