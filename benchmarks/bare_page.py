"""The yardstick of the page and the API: a Flask application whose one route gets one item from DynamoDB.

Served by gunicorn with the page's own settings and environment, and its item comes from the same emulator: what a call
takes longer than this is the platform's own work.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import urllib3
from flask import Flask, Response

from benchmarks.own_platform import ROOT
from hpc.local import web
from hpc.local.loopback import free_port

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
    # gunicorn takes its settings from the folder in which it starts.
    command = [sys.executable, "-m", "gunicorn", "--access-logfile", str(log), f"{__name__}:make()"]
    with log.with_suffix(".errors.log").open("wb") as errors:
        process = subprocess.Popen(command, cwd=web.folder(ROOT), env=environment, stderr=errors)
        try:
            url = f"http://127.0.0.1:{port}/"
            _wait_until_it_answers(url, process, Path(errors.name))
            yield url
        finally:
            process.terminate()
            try:
                process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], errors: Path) -> None:
    give_up_at = time.monotonic() + ANSWERS_WITHIN_S
    while time.monotonic() < give_up_at and process.poll() is None:
        try:
            if urllib3.request("GET", url, retries=False, timeout=5).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{url}: found no answer, expected an item within {ANSWERS_WITHIN_S} s\n{errors.read_text()}")
