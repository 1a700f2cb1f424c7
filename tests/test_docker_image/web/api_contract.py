"""The real API's function, loaded for what the double has of it: its routes, its check of requests, its schemas."""

from __future__ import annotations

from typing import Any

import flask
import jsonschema

from tests.test_lambda.conftest import load_function

API = load_function("api")
PROBLEM = API.problems.Problem
_PAGE = "arn:aws:sts::123456789012:assumed-role/Page/task"
_PAGE_ROLE = "arn:aws:iam::123456789012:role/Page"


def event_of(route: Any, path: dict[str, str]) -> dict[str, Any]:
    """The call at hand as API Gateway hands it to the function; the page made it, as a role."""
    asked = flask.request
    return {
        "httpMethod": route.method,
        "resource": route.path,
        "pathParameters": path or None,
        "queryStringParameters": asked.args.to_dict() or None,
        "headers": dict(asked.headers),
        "body": asked.get_data(as_text=True) or None,
        "isBase64Encoded": False,
        "requestContext": {"identity": {"userArn": _PAGE}},
    }


def owner_of(request: Any) -> str:
    """Who the API takes the page's call for."""
    return str(API.owners.owner_of(request.caller, request.owner_header, trusted_roles=[_PAGE_ROLE]))


def defects_of(call: str, document: Any, name: str) -> list[str]:
    """Why an answer is none of the API's: it has to keep to the schema of this name."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": API.schemas.COMPONENTS}}
    wrong = jsonschema.Draft202012Validator(schema).iter_errors(document)
    return [f"{call}, {name}: {error.message}" for error in wrong]
