"""The one endpoint of the laptop platform: Caddy on 127.0.0.1, before the emulator and the object store.

Each S3 request is shown to the emulator first, without its body. The emulator checks signature and policies as for a
request of its own, and answers where the request goes: to itself, or with a signature of the platform's to the object
store. So bodies of any size stream between the client and the disk, and never through Python.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

# The emulator answers there, relative to the platform's state directory.
EMULATOR_SOCKET = "emulator.sock"
AUTHORIZE_PATH = "/_hpc/authorize"
HEALTH_PATH = "/_ministack/health"

# What the emulator's answer says: where the request goes, and the headers that the object store wants.
ROUTE_HEADER = "X-Hpc-Route"
TO_STORE, TO_EMULATOR = "store", "emulator"
SIGNING_HEADERS = {
    "Authorization": "X-Hpc-Authorization",
    "X-Amz-Date": "X-Hpc-Date",
    "X-Amz-Content-SHA256": "X-Hpc-Content-Sha256",
}
# A request's size as its sender announced it; the request that is shown has no body.
LENGTH_HEADER = "X-Hpc-Length"
# Parameters of a presigned request, of both versions of S3's; the object store gets a signature of its own instead.
PRESIGNED_PARAMETERS = (
    "AWSAccessKeyId",
    "Expires",
    "Signature",
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
)

Handler = dict[str, Any]


def command(config_file: Path) -> list[str]:
    """Caddy's command line."""
    return [str(Path(sys.executable).with_name("caddy")), "run", "--config", str(config_file)]


def environment(directory: Path) -> dict[str, str]:
    """Caddy's whole environment; what it keeps for itself lies in `directory`."""
    return {
        "GOMAXPROCS": str(max(1, (os.cpu_count() or 1) // 2)),  # with more, it spends a quarter more on waiting
        "HOME": str(directory),
        "XDG_CONFIG_HOME": str(directory),
        "XDG_DATA_HOME": str(directory),
    }


def write_configuration(file: Path, *, port: int, store_host: str) -> None:
    """Writes Caddy's configuration."""
    file.write_text(json.dumps(configuration(port=port, store_host=store_host), indent=1))


def configuration(*, port: int, store_host: str) -> dict[str, Any]:
    """Caddy's configuration, as its JSON API has it.

    Source: https://caddyserver.com/docs/json/apps/http/
    """
    to_emulator = _proxy(f"unix/{EMULATOR_SOCKET}")
    to_store = _proxy(
        store_host,
        headers={
            "request": {
                "set": {"Host": [store_host], **{name: [_header(given)] for name, given in SIGNING_HEADERS.items()}},
                "delete": ["X-Hpc-*", "X-Amz-Security-Token", "X-Forwarded-*"],
            }
        },
    )
    is_s3 = {
        # A signature names its service, in the header or in the query of a presigned request.
        "expression": (
            "{http.request.header.Authorization}.contains('/s3/aws4_request')"
            " || {http.request.uri.query}.contains('%2Fs3%2Faws4_request')"
            " || {http.request.uri.query}.contains('/s3/aws4_request')"
            " || {http.request.uri.query}.contains('AWSAccessKeyId=')"
        )
    }
    without_signature = {"handler": "rewrite", "query": {"delete": list(PRESIGNED_PARAMETERS)}}
    routes = [
        {"match": [{"path": [HEALTH_PATH], "method": ["GET"]}], "handle": [to_emulator], "terminal": True},
        # ministack resets itself for whoever asks (a web page, say), and our own paths are the platform's.
        {"match": [{"path": ["/_*"]}], "handle": [_closed()], "terminal": True},
        # Nobody but the emulator says these.
        {
            "handle": [
                {"handler": "headers", "request": {"delete": [ROUTE_HEADER, *SIGNING_HEADERS.values(), LENGTH_HEADER]}}
            ]
        },
        {"match": [is_s3], "handle": [_ask_emulator()]},
        {
            "match": [{"query": {"X-Amz-Signature": ["*"]}}, {"query": {"AWSAccessKeyId": ["*"]}}],
            "handle": [without_signature],
        },
        {"match": [{"header": {ROUTE_HEADER: [TO_STORE]}}], "handle": [to_store], "terminal": True},
        {"handle": [to_emulator]},
    ]
    return {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "ERROR", "encoder": _without_secrets()}}},
        "apps": {
            "http": {
                "grace_period": "1s",
                "servers": {
                    "front": {
                        "listen": [f"127.0.0.1:{port}"],
                        "protocols": ["h1"],
                        "automatic_https": {"disable": True},
                        "routes": routes,
                    }
                },
            }
        },
    }


def _without_secrets() -> dict[str, Any]:
    """Log lines of requests without headers (tokens of sessions, signatures of the platform) and signed parameters.

    Source: https://caddyserver.com/docs/json/logging/logs/encoder/filter/
    """
    hide = [{"type": "delete", "parameter": parameter} for parameter in PRESIGNED_PARAMETERS]
    return {
        "format": "filter",
        "wrap": {"format": "json"},
        "fields": {
            "request>headers": {"filter": "delete"},
            "request>uri": {"filter": "query", "actions": hide},
            "resp_headers": {"filter": "delete"},
        },
    }


def _proxy(address: str, **more: Any) -> Handler:
    answer = {"response": {"delete": ["Via"]}}
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": address}],
        "headers": {**answer, **more.pop("headers", {})},
        # What comes is handed on at once: a large object may take minutes.
        "flush_interval": -1,
        **more,
    }


def _ask_emulator() -> Handler:
    """Shows the request to the emulator; goes on when the answer is 200, and gives any other answer to the client."""
    given = {name: [f"{{http.reverse_proxy.header.{name}}}"] for name in (ROUTE_HEADER, *SIGNING_HEADERS.values())}
    return _proxy(
        f"unix/{EMULATOR_SOCKET}",
        rewrite={"method": "GET", "uri": f"{AUTHORIZE_PATH}?"},
        headers={
            "request": {
                "set": {
                    "X-Forwarded-Method": ["{http.request.method}"],
                    "X-Forwarded-Uri": ["{http.request.orig_uri}"],
                    LENGTH_HEADER: [_header("Content-Length")],
                },
                "delete": ["Expect"],
            }
        },
        handle_response=[
            {
                "match": {"status_code": [200]},
                "routes": [{"handle": [{"handler": "headers", "request": {"set": given}}]}],
            }
        ],
    )


def _closed() -> Handler:
    return {"handler": "static_response", "status_code": 403, "body": "closed on the laptop platform"}


def _header(name: str) -> str:
    return f"{{http.request.header.{name}}}"
