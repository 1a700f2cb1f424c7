"""Requests that are made from the API's own description, and answers that are compared with it.

Every operation of the served /openapi.json gets requests that it allows and requests that it forbids, signed as any
client signs them. They are the same in every session. Others, and more of them:
`HPC_SCHEMA_SEED=7 HPC_SCHEMA_EXAMPLES=1000 .venv/bin/pytest tests/test_e2e/test_api/test_schema.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pytest
import requests
import schemathesis
from botocore.awsrequest import AWSRequest
from hypothesis import assume
from requests.adapters import HTTPAdapter
from schemathesis.pytest.lazy import get_all_tests
from urllib3.util import Retry

from tests.routes_of_api import ROUTES
from tests.test_e2e.api_client import Api

SEED = int(os.environ.get("HPC_SCHEMA_SEED", "1"))
EXAMPLES = int(os.environ.get("HPC_SCHEMA_EXAMPLES", "30"))
# API Gateway refuses a longer URL by itself; the emulator closes the connection from 32 KiB on.
# Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html
MAX_URL_CHARACTERS = 10_240
SIGNED_HEADERS = {"content-type", "idempotency-key"}
# What of an allowed request may be refused all the same, because no description of all requests could tell it.
BEYOND_THE_DESCRIPTION: Mapping[str, set[str]] = {
    "list_runs": {"next"},  # only what an earlier page gave is one
    "create_upload": {"project", "file_name"},  # GET /workflows has what a workflow's parameters allow
    "create_run": {"Idempotency-Key"},  # optional for a dry run only
}


class Signature(requests.auth.AuthBase):
    """Signs what is sent as `Api` does."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # docs/api.md: a space is `%20`, as the signature has it.
        path, mark, query = request.url.partition("?")
        request.url = path + mark + query.replace("+", "%20")
        # Made-up headers may have names that no list of signed headers can have.
        headers = {name: value for name, value in request.headers.items() if name.lower() in SIGNED_HEADERS}
        signed = AWSRequest(request.method, request.url, headers, request.body)
        self._api.sign(signed)
        request.headers.update(signed.headers.items())
        return request


@pytest.fixture(scope="module")
def session() -> requests.Session:
    """Sends a request again when it is throttled: that answer would say nothing about the request."""
    patience = Retry(total=20, status_forcelist=[429], allowed_methods=None, backoff_factor=0.1, backoff_max=1)
    session = requests.Session()
    session.mount("http://", HTTPAdapter(max_retries=patience))
    return session


@pytest.fixture(scope="module")
def run(api, uploaded) -> dict[str, Any]:
    """A run that has succeeded."""
    parameters = {"ProjectNo": "Described", "INPUT_BUCKET": uploaded["bucket"], "INPUT_KEY": uploaded["key"]}
    run_id = api.submit({**parameters, "SPLIT_NUM": 20}).document["run_id"]
    return api.wait(run_id)


def description_of(api: Api, document: dict[str, Any], names: Mapping[str, list[str]], **more: Any) -> Any:
    """A document to make requests from; half of the values of the parameters in `names` are of those given."""
    config = schemathesis.Config.from_dict(
        {
            "seed": SEED,
            "base-url": api.url,
            "generation": {"max-examples": EXAMPLES, "with-security-parameters": False, "database": "none"},
            "phases": {
                "coverage": {"generate-duplicate-query-parameters": True},
                # What is sent would depend on what was answered before.
                "fuzzing": {"extra-data-sources": {"responses": False}, "error-feedback": {"enabled": False}},
            },
            # `refuses_no_allowed_request` does this, by the fields that are named.
            "checks": {"positive_data_acceptance": {"enabled": False}},
            "dictionaries": {place.replace(".", "_"): {"values": values} for place, values in names.items()},
            "parameters": {
                **{place: {"dictionary": place.replace(".", "_"), "probability": 0.5} for place in names},
                **more,
            },
        }
    )
    description = schemathesis.openapi.from_dict(document, config=config)
    description.auth.set_from_requests(Signature(api))
    return description


@pytest.fixture(scope="module")
def description(api, run) -> Any:
    names = {
        "path.run_id": [run["run_id"]],
        "path.task": ["String_Split-0", "String_Repeat-1"],
        "query.state": ["String_Repeat"],
        "query.workflow": ["string_processing"],
        "body.workflow": ["string_processing"],
        "body.project": ["Described"],
    }
    return description_of(api, api.get("/openapi.json").document, names)


@pytest.fixture(scope="module")
def description_of_one_run(api, run) -> Any:
    """The document for a run that is there: of another one nothing but 404 would be said, whatever is asked."""
    return description_of(api, api.get("/openapi.json").document, {}, **{"path.run_id": run["run_id"]})


@pytest.fixture(scope="module")
def description_of_dry_runs(api, uploaded) -> Any:
    """The document for one workflow, with the parameters as that has them; no run starts."""
    document = api.get("/openapi.json").document
    (workflow,) = api.get("/workflows").document["workflows"]
    body = document["components"]["schemas"]["NewRun"]["properties"]
    body |= {"workflow": {"enum": [workflow["name"]]}, "parameters": workflow["parameters"]}
    names = {
        "body.parameters.INPUT_BUCKET": [uploaded["bucket"]],
        "body.parameters.OUTPUT_BUCKET": [uploaded["bucket"]],
        "body.parameters.INPUT_KEY": [uploaded["key"]],
    }
    return description_of(api, document, names, **{"query.dry_run": "true"})


def refuses_no_allowed_request(_context: Any, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """A request that the description allows is refused only for what it cannot tell."""
    if not case.meta.generation.mode.is_positive or response.status_code not in {400, 422}:
        return
    operation = case.operation.definition.raw
    fields = set(case.body) if isinstance(case.body, dict) else set()
    declared = fields | {parameter["name"] for parameter in operation["parameters"]}
    named = {error["field"] for error in response.json()["errors"]}
    assert named, response.json()
    wrong = (named & declared) - BEYOND_THE_DESCRIPTION.get(operation["operationId"], set())
    assert not wrong, response.json()


def refuses_no_signature(_context: Any, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """403 says that there is no such call, and nothing else here: what got no further would have tested nothing."""
    if response.status_code == 403:
        assert case.method.upper() != case.operation.method.upper(), response.json()
        assert response.json()["detail"] == "Missing Authentication Token"


def url_of(case: schemathesis.Case) -> str:
    sent = case.as_transport_kwargs()
    return str(requests.Request("GET", sent["url"], params=sent.get("params")).prepare().url)


CHECKS = [refuses_no_allowed_request, refuses_no_signature]


def try_out(description: Any, operation: str, session: requests.Session) -> None:
    """Sends the requests that are made for one operation; raises what is wrong with the answers."""

    def call(case: schemathesis.Case) -> None:
        assume(len(url_of(case)) <= MAX_URL_CHARACTERS)
        response = case.call(session=session)
        case.validate_response(response, additional_checks=CHECKS)

    # What `schemathesis.pytest.from_fixture` does, without what it reads of pytest and pytest 9.2 no longer has.
    made = get_all_tests(schema=description.include(name=operation), test_func=call, settings=None, given_kwargs=None)
    (test,) = [result.ok()[1] for result in made]
    test()


@pytest.mark.parametrize("operation", [f"{route.method} {route.path}" for route in ROUTES])
def test_what_is_answered_is_described(description, operation, session):
    try_out(description, operation, session)


def test_what_is_asked_of_a_run_is_checked(description_of_one_run, session):
    try_out(description_of_one_run, "GET /runs/{run_id}/tasks", session)


def test_parameters_are_checked_as_the_workflow_describes_them(description_of_dry_runs, session):
    try_out(description_of_dry_runs, "POST /runs", session)
