"""Batch's HTTP interface (rest-json) in front of our Batch service, from botocore's own model of it."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import botocore.session

from hpc.local.batch import BatchError, BatchService

HttpAnswer = tuple[int, dict[str, str], bytes]


def answer(service: BatchService, method: str, path: str, body: bytes, query: dict[str, Any]) -> HttpAnswer:
    """Status, headers and body for one request; an error of the service becomes AWS's error answer."""
    try:
        action, members = _route(method, path)
        request = _parse(body) | members
        if "tagKeys" in query:
            request["tagKeys"] = query["tagKeys"] if isinstance(query["tagKeys"], list) else [query["tagKeys"]]
        result = service.handle(action, request)
    except BatchError as error:
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
        return error.status, headers, json.dumps({"message": str(error), "__type": error.code}).encode()
    return 200, {"Content-Type": "application/json"}, json.dumps(result).encode()


def _parse(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body) if body else {}
    except ValueError as error:
        raise BatchError("ClientException", "The request body is not JSON") from error
    if not isinstance(request, dict):
        raise BatchError("ClientException", "The request body is not a JSON object")
    return request


def _route(method: str, path: str) -> tuple[str, dict[str, str]]:
    for verb, pattern, name in _routes():
        match = pattern.fullmatch(path)
        if verb == method and match:
            return name, match.groupdict()
    raise BatchError("ClientException", f"Unknown Batch call: {method} {path}")


@functools.cache
def _routes() -> list[tuple[str, re.Pattern[str], str]]:
    model = botocore.session.get_session().get_service_model("batch")
    routes = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(http["requestUri"]))
        routes.append((http["method"], re.compile(pattern, re.IGNORECASE), name))
    return routes
