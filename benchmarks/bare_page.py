"""The yardstick of the page and the API: a Flask application whose one route gets one item from DynamoDB.

Served by gunicorn with the page's own settings and environment, and its item comes from the same emulator: what a call
takes longer than this is the platform's own work.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from flask import Flask, Response

from benchmarks.own_platform import ROOT
from hpc.local import web
from hpc.local.child import Child
from hpc.local.loopback import free_port, wait_until_it_answers

ANSWERS_WITHIN_S = 30
# More than gunicorn waits for requests to finish.
ENDS_WITHIN_S = 30


def make() -> Flask:
    """The application; table and key come from the environment."""
    application = Flask("bare")
    dynamodb = boto3.client("dynamodb")
    table, key = os.environ["BARE_TABLE"], json.loads(os.environ["BARE_KEY"])

    @application.get("/")
    def item() -> Any:
        return Response(json.dumps(dynamodb.get_item(TableName=table, Key=key)["Item"]), mimetype="application/json")

    return application


@contextmanager
def bare_page(state: Path, *, endpoint_url: str, table: str, pk: str) -> Iterator[str]:
    """Serves it meanwhile, beside the platform of the state folder; gives its address.

    `pk` is that of a run's row. Raises RuntimeError when it does not answer.
    """
    port = free_port()
    told = web.WebConfig.load(state)
    if told is None:
        raise RuntimeError(f"{state / web.WEB_FILE}: found no page, expected the settings of one")
    environment = web.environment(told, state / "tmp") | {
        "PORT": str(port),
        "PYTHONPATH": str(ROOT),
        "AWS_DEFAULT_REGION": told.region,
        "AWS_ENDPOINT_URL": endpoint_url,
        "BARE_TABLE": table,
        "BARE_KEY": json.dumps({"pk": {"S": pk}, "sk": {"S": "META"}}),
    }
    log = state / "logs" / "bare.log"
    errors = log.with_suffix(".errors.log")
    command = [sys.executable, "-m", "gunicorn", "--access-logfile", str(log), f"{__name__}:make()"]
    # gunicorn takes its settings from the folder in which it starts.
    folder = web.folder(ROOT)
    process = Child("bare page", command, environment, folder, end_within_s=ENDS_WITHIN_S)
    process.start(errors)
    try:
        url = f"http://127.0.0.1:{port}/"
        if not wait_until_it_answers(url, within_s=ANSWERS_WITHIN_S, has_ended=process.has_died):
            wanted = f"an item within {ANSWERS_WITHIN_S} s"
            raise RuntimeError(f"{url}: found no answer, expected {wanted}\n{errors.read_text()}")
        yield url
    finally:
        process.end()
