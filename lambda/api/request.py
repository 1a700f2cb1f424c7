"""A call as API Gateway hands it over, checked against its route before anything is done with it.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from problems import Problem, of_fields
from routes import PATH_PARAMETERS, Route, route_of
from schemas import COMPONENTS

from hpc.errors import Refusal
from hpc.parameters import fits
from hpc.wording import quoted

MAX_BODY_BYTES = 64 * 1024
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Request:
    """A checked call; `query` has its defaults and its numbers, `headers` those of the route, `caller` signed it."""

    route: Route
    path: Mapping[str, str]
    query: Mapping[str, Any]
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    caller: str
    owner_header: str | None


def parse(event: Mapping[str, Any]) -> Request:
    """The call in an event of a REST API's proxy integration; raises Problem for one that is not allowed."""
    route = route_of(event["httpMethod"], event["resource"])
    path = event.get("pathParameters") or {}
    if wrong := [*_wrong(PATH_PARAMETERS, path)]:
        # What cannot be a name is the name of nothing.
        raise Problem(404, f"Not found: {quoted(wrong[0].field)}", wrong)
    headers = {name.lower(): text for name, text in (event.get("headers") or {}).items()}
    query = {name: _typed(route.query.get(name), text) for name, text in _query(event).items()}
    given = {name: headers[name.lower()] for name in route.headers if name.lower() in headers}
    if wrong := [*_unknown(route.query, query), *_wrong(route.query, query), *_wrong(route.headers, given)]:
        raise of_fields(400, wrong)
    defaults = {name: schema["default"] for name, schema in route.query.items() if "default" in schema}
    return Request(
        route=route,
        path=path,
        query=defaults | query,
        headers=given,
        body=_body(event, route.body) if route.body else {},
        caller=str(event["requestContext"]["identity"]["userArn"]),
        owner_header=headers.get("x-hpc-owner"),
    )


def _query(event: Mapping[str, Any]) -> dict[str, str]:
    return dict(event.get("queryStringParameters") or {})


def _body(event: Mapping[str, Any], name: str) -> dict[str, Any]:
    text = event.get("body") or ""
    raw = base64.b64decode(text) if event.get("isBase64Encoded") else text.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_BODY_BYTES:
        raise Problem(413, f"Body: found {len(raw)} bytes; expected at most {MAX_BODY_BYTES}")
    try:
        document = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
        # Neither half a surrogate (`"\ud800"`) nor a number beyond all floats (`1e999`) can be stored or sent on.
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"Body: found no JSON ({error}); expected a JSON object") from error
    if not isinstance(document, dict):
        raise Problem(400, f"Body: found {quoted(document)}; expected a JSON object")
    schema = COMPONENTS[name]
    missing = [Refusal(field, "found nothing; expected " + schema["properties"][field]["description"])
               for field in schema["required"] if field not in document]  # fmt: skip
    if wrong := [*missing, *_unknown(schema["properties"], document), *_wrong(schema["properties"], document)]:
        raise of_fields(422, wrong)
    defaults = {field: each["default"] for field, each in schema["properties"].items() if "default" in each}
    return defaults | document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _typed(schema: Mapping[str, Any] | None, text: str) -> Any:
    kind = (schema or {}).get("type")
    if kind == "integer" and _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    if kind == "boolean" and text in {"true", "false"}:
        return text == "true"
    return text


def _unknown(known: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[Refusal]:
    for name in sorted(given.keys() - known.keys()):
        yield Refusal(name, f"found {quoted(given[name])}; expected one of {', '.join(sorted(known)) or '(none)'}")


def _wrong(schemas: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]) -> Iterator[Refusal]:
    for name, schema in schemas.items():
        if name in given and not fits(schema, given[name]):
            yield Refusal(name, f"found {quoted(given[name])}; expected {schema['description']}")
