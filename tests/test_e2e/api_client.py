"""Calls the API of a platform, signed as any script would sign it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.test_e2e.conftest import FINAL, Platform, wait_until


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

    def submit(self, parameters: Mapping[str, object], *, key: str | None = None, **headers: str) -> Answer:
        """Submits a run of the string workflow, with a key of its own unless one is given."""
        body = {"workflow": "string_processing", "parameters": parameters}
        return self.post("/runs", body, Idempotency_Key=key or f"key-{time.time_ns()}", **headers)

    def wait(self, run_id: str, timeout_s: float = 120) -> dict[str, Any]:
        """The run when it is over."""
        wait_until(lambda: self.get(f"/runs/{run_id}").document["status"] in FINAL, timeout_s, every_s=0.5)
        return dict(self.get(f"/runs/{run_id}").document)

    def upload(self, project: str, file_name: str, content: bytes) -> dict[str, str]:
        """Uploads a small file as a page does it; gives its bucket and key."""
        made = self.post("/uploads", {"workflow": "string_processing", "project": project, "file_name": file_name})
        assert made.status == 201, made
        stored = send_form(made.document, file_name, content)
        assert stored.status == 204, stored.data
        return {"bucket": made.document["bucket"], "key": made.document["key"]}

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("POST", path, body, **headers)


def send_form(form: Mapping[str, Any], file_name: str, content: bytes, **changes: str) -> urllib3.BaseHTTPResponse:
    """Sends a presigned form with a file, after changes of its fields."""
    return urllib3.request("POST", form["url"], fields={**form["fields"], **changes, "file": (file_name, content)})
