"""Calls the API of a platform, signed as any script would sign it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.test_e2e.conftest import Platform


@dataclass(frozen=True)
class Answer:
    """What the API said; `document` is None for what is no JSON."""

    status: int
    document: Any
    content_type: str

    @property
    def fields(self) -> list[str]:
        """The fields that a problem names."""
        assert self.content_type == "application/problem+json", self
        assert self.document["status"] == self.status
        return [error["field"] for error in self.document["errors"]]


class Api:
    """One caller of the API: the platform's owner, unless other keys are given."""

    def __init__(self, platform: Platform, credentials: Credentials | None = None) -> None:
        self._region = platform.key["region"]
        self._credentials = credentials or Credentials(platform.key["access_key_id"], platform.key["secret_access_key"])
        self.url = json.loads(platform.hpc("show", "--platform", "--json").stdout)["api_url"]
        self._http = urllib3.PoolManager(maxsize=50)

    def call(self, method: str, path: str, body: Any = None, *, is_signed: bool = True, **headers: str) -> Answer:
        """One call; `body` is sent as JSON, bytes as they are. Names of headers have `_` for `-`."""
        request = self.request(method, path, body, **headers)
        if is_signed:
            self.sign(request)
        return self.send(request)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> AWSRequest:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return AWSRequest(
            method=method, url=self.url + path, data=data, headers={"Content-Type": "application/json", **given}
        )

    def sign(self, request: AWSRequest) -> None:
        SigV4Auth(self._credentials, "execute-api", self._region).add_auth(request)

    def send(self, request: AWSRequest) -> Answer:
        answer = self._http.request(
            request.method,
            request.url,
            body=request.data,
            headers=dict(request.headers.items()),
            retries=False,
            timeout=120,
        )
        kind = answer.headers.get("Content-Type", "")
        return Answer(answer.status, json.loads(answer.data) if "json" in kind else None, kind)

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("POST", path, body, **headers)
