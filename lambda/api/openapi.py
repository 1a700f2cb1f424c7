"""The API's description, made from the table of routes.

Source: https://spec.openapis.org/oas/v3.1.1.html
"""

import re
from http import HTTPStatus
from typing import Any

from problems import CONTENT_TYPE
from routes import PATH_PARAMETERS, ROUTES, Route
from schemas import COMPONENTS, ref

_DESCRIPTION = """Submits batch workflows, watches them and fetches their results.

Every call is signed with AWS Signature Version 4 (service `execute-api`). Refusals are problem details (RFC 9457)."""
# What any call may meet: a malformed one, one that is not signed or not allowed, too many, a fault of ours, and an
# answer for which API Gateway does not wait.
_ALWAYS = (400, 403, 429, 500, 503, 504)


def document() -> dict[str, Any]:
    """The whole description, OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    signature = {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "AWS Signature Version 4, service execute-api",
        "x-amazon-apigateway-authtype": "awsSigv4",
    }
    return {
        "openapi": "3.1.1",
        "info": {"title": "Cloud-native HPC", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": "."}],
        "paths": paths,
        "components": {
            "schemas": {**COMPONENTS, "OpenApi": {"type": "object"}},
            "securitySchemes": {"sigv4": signature},
        },
        "security": [{"sigv4": []}],
    }


def _operation(route: Route) -> dict[str, Any]:
    answers = {str(status): _answer(status, ref(name), "application/json") for status, name in route.answers.items()}
    refusals = {
        str(status): _answer(status, ref("Problem"), CONTENT_TYPE) for status in sorted({*route.refusals, *_ALWAYS})
    }
    found: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.summary,
        "parameters": [
            *(_parameter("path", name, PATH_PARAMETERS[name]) for name in route.path_parameters),
            *(_parameter("query", name, schema) for name, schema in route.query.items()),
            *(_parameter("header", name, schema) for name, schema in route.headers.items()),
        ],
        "responses": {**answers, **refusals},
    }
    if route.body:
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": ref(route.body)}}}
    return found


def _parameter(place: str, name: str, schema: Any) -> dict[str, Any]:
    only_schema = {key: value for key, value in schema.items() if key != "description"}
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": re.sub(r"^.", lambda first: first[0].upper(), schema["description"]),
        "schema": only_schema,
    }


def _answer(status: int, schema: Any, content_type: str) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, "content": {content_type: {"schema": schema}}}
