"""Calls as API Gateway hands them to the API's function."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

ALICE = "arn:aws:iam::123456789012:user/alice"


def event(
    method: str = "GET", resource: str = "/runs", *, body: Any = None, caller: str = ALICE, **more: Any
) -> dict[str, Any]:
    """What API Gateway hands over; `more` are `query`, `headers` and `path`."""
    return {
        "httpMethod": method,
        "resource": resource,
        "queryStringParameters": more.get("query"),
        "pathParameters": more.get("path"),
        "headers": more.get("headers"),
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": more.get("is_base64", False),
        "requestContext": {"identity": {"userArn": caller}},
    }


def refusal(function: SimpleNamespace, given: dict[str, Any]) -> tuple[int, list[str]]:
    with pytest.raises(function.problems.Problem) as problem:
        function.request.parse(given)
    return problem.value.status, [error.field for error in problem.value.errors]
