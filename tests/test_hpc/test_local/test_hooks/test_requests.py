"""What a full disk refuses."""

from __future__ import annotations

import json

from tests.test_hpc.test_local.test_hooks.conftest import run

FULL = """
import asyncio, json, shutil, sys
from types import SimpleNamespace
from ministack import app
from ministack.services import s3
from hpc.local.front_door import AUTHORIZE_PATH
from hpc.local.hooks import requests
from hpc.local.hooks.accounts import enter

enter("000000000000", "us-east-1")
for name in ("data", "cdk-assets"):
    s3._create_bucket(name, b"", {})
requests.shutil = SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=requests.MIN_FREE_BYTES + 1000))
faults = SimpleNamespace(for_call=lambda _: SimpleNamespace(delay_s=0, is_throttled=False))
requests.store_form = lambda *given: (204, {}, b"")

async def serve(scope, receive, send):
    await requests._send(send, 200, [], b"")

async def receive():
    return {"type": "http.request", "body": b""}

async def ask(path, method, query="", **headers):
    statuses = []
    async def send(message):
        statuses.append(message.get("status"))
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "method": method, "query_string": query.encode(), "headers": named}
    await guard(scope, receive, send)
    return statuses[0]

app.app = serve
guard = requests._Guard(SimpleNamespace(faults=faults), None, "/")
for method, path, query, size, kind in json.loads(sys.stdin.read()):
    uri = path + ("?" + query if query else "")
    shown = {"x_forwarded_method": method, "x_forwarded_uri": uri, "x_hpc_length": size}
    print(json.dumps([
        asyncio.run(ask(path, method, query, content_length=size, content_type=kind)),
        asyncio.run(ask(AUTHORIZE_PATH, "GET", **shown)),
    ]))
"""
FORM = "multipart/form-data; boundary=x"
# With 1,000 bytes to spare: what the emulator is asked itself, and what is shown to it; each by its size.
REQUESTS_TO_A_FULL_DISK = [
    (("PUT", "/data/key", "", "1000", ""), [507, 507]),
    (("PUT", "/data/key", "", "999", ""), [200, 200]),
    (("PUT", "/cdk-assets/key", "", "5000", ""), [507, 200]),  # it comes to the emulator itself after it was shown
    (("PUT", "/2015-03-31/functions/f/code", "", "5000", ""), [200, 200]),
    (("PUT", "/data/key", "partNumber=1&uploadId=u", "5000", ""), [507, 507]),
    (("POST", "/data", "", "5000", FORM), [507, 200]),  # what is shown has no form: that comes by itself
    (("POST", "/data", "", "999", FORM), [204, 200]),
    (("GET", "/data/key", "", "", ""), [200, 200]),
    (("DELETE", "/data/key", "", "", ""), [200, 200]),
    (("POST", "/data", "delete", "5000", ""), [200, 200]),
    (("POST", "/", "", "5000", "application/x-amz-json-1.0"), [200, 200]),  # DynamoDB's Query, SQS, Step Functions
    (("POST", "/v1/terminatejob", "", "5000", "application/json"), [200, 200]),
    (("PUT", "/data", "policy", "5000", ""), [200, 200]),
]


def test_a_full_disk_refuses_uploads_and_neither_looks_nor_deletions(tmp_path):
    given = json.dumps([request for request, _ in REQUESTS_TO_A_FULL_DISK])
    answers = run(tmp_path, FULL, given=given)
    found = [(request, answer) for (request, _), answer in zip(REQUESTS_TO_A_FULL_DISK, answers, strict=True)]
    assert found == REQUESTS_TO_A_FULL_DISK
