"""What the request at hand works with."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, cast

from flask import abort, current_app, g

from web_application.api import Api, Query

_WORKFLOWS_FOR_S = 30.0
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


def api() -> Api:
    """The platform's API."""
    return cast(Api, current_app.extensions["api"])


def owner() -> str:
    """Who is signed in; empty without sign-in."""
    return cast(str, g.get("owner", ""))


def get(*path: str, query: Query | None = None) -> Any:
    """The API's answer, asked in the name of whoever is signed in."""
    return api().get(*path, query=query, owner=owner())


def post(
    *path: str, body: Mapping[str, Any] | None = None, query: Query | None = None, idempotency_key: str = ""
) -> Any:
    """The API's answer to a change, made in the name of whoever is signed in."""
    return api().post(*path, body=body, query=query, idempotency_key=idempotency_key, owner=owner())


def refuse_what_is_no_run_id(text: str) -> None:
    """Ends the request with 404 for what cannot be the id of a run."""
    if not _RUN_ID.fullmatch(text):
        abort(404)


def run(run_id: str) -> dict[str, Any]:
    """The run of that id with its steps; raises Problem when there is none, and ends the request for what is no id."""
    refuse_what_is_no_run_id(run_id)
    return cast(dict[str, Any], get("runs", run_id))


def workflows() -> list[dict[str, Any]]:
    """All workflows; they change only with a deployment, so that they are asked for twice a minute at most."""
    asked_at, found = current_app.extensions.get("workflows", (0.0, []))
    if not found or time.monotonic() - asked_at > _WORKFLOWS_FOR_S:
        found = get("workflows")["workflows"]
        current_app.extensions["workflows"] = (time.monotonic(), found)
    return cast(list[dict[str, Any]], found)


def workflow(name: str) -> dict[str, Any] | None:
    """The workflow of that name."""
    return next((each for each in workflows() if each["name"] == name), None)


def titles() -> dict[str, str]:
    """The workflows' titles by name."""
    return {each["name"]: each["title"] for each in workflows()}


def parameter_titles(name: str) -> dict[str, str]:
    """The titles of a workflow's parameters; none of one that is gone."""
    properties = (workflow(name) or {}).get("parameters", {}).get("properties", {})
    return {each: str(rule.get("title") or each) for each, rule in properties.items()}
