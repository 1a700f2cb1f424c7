"""API Gateway: a stage's access log is written, a line a call, also of calls that are refused."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from ministack import app
from ministack.services import apigateway_v1, cloudwatch_logs
from ministack.services.cloudformation import provisioners

from hpc.local.configuration import ACCOUNT
from hpc.local.hooks.accounts import enter
from hpc.local.hooks.batch import open_log_stream
from hpc.local.hooks.replacing import replace

_VARIABLE = re.compile(r"\$context\.([A-Za-z.]+)")
_STREAM = "access"


def install() -> None:
    """Keeps what a template says of access logs, and writes them."""
    _keep_settings()
    _write_lines()


def _keep_settings() -> None:
    """ministack drops a stage's `AccessLogSetting` when CloudFormation makes or changes the stage."""
    handler = provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::Stage"]
    create, update = handler["create"], handler["update"]

    def keep(properties: Mapping[str, Any]) -> None:
        stage = apigateway_v1._stages_v1.get(properties["RestApiId"], {}).get(properties["StageName"])
        given = properties.get("AccessLogSetting")
        if stage is not None and given:
            stage["accessLogSettings"] = {"destinationArn": given["DestinationArn"], "format": given["Format"]}

    def create_with(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        made = create(logical_id, properties, stack)
        keep(properties)
        return made

    def update_with(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack: str) -> Any:
        made = update(physical_id, old, new, stack)
        keep(new)
        return made

    handler.update(create=create_with, update=update_with)


def _write_lines() -> None:
    handle = app._handle_execute_api_request

    async def handle_and_log(host: str, path: str, method: str, headers: Any, *args: Any, **kwargs: Any) -> Any:
        started = time.monotonic()
        answer = await handle(host, path, method, headers, *args, **kwargs)
        called = app._parse_execute_api_url(host, path)
        if answer is not None and called is not None:
            api_id, stage_name, resource_path = called
            stage = apigateway_v1.stages_for_api(api_id).get(stage_name) or {}
            settings = stage.get("accessLogSettings") or {}
            if settings.get("destinationArn"):
                context = {
                    **_said(answer),
                    **_caller(headers),
                    "httpMethod": method,
                    "path": f"/{stage_name}{resource_path}",
                    "responseLatency": str(round((time.monotonic() - started) * 1000)),
                }
                await asyncio.to_thread(_write, settings, context)
        return answer

    replace(app, "_handle_execute_api_request", handle_and_log)


def _said(answer: Any) -> dict[str, str]:
    status, headers, body = answer
    lower = {name.lower(): value for name, value in headers.items()}
    return {
        "requestId": str(lower.get("x-amzn-requestid") or uuid4()),
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()),
        "status": str(status),
        "responseLength": str(len(body or b"")),
        "error.responseType": str(lower.get("x-amzn-errortype") or "-"),
    }


def _caller(headers: Mapping[str, str]) -> dict[str, str]:
    identity = apigateway_v1._iam_caller_identity(headers, {}) or {}
    return {"identity.userArn": str(identity.get("userArn") or "-"), "identity.sourceIp": "127.0.0.1"}


def _write(settings: Mapping[str, str], context: Mapping[str, str]) -> None:
    """What the format names and nobody knows is `-`, as on AWS."""
    line = _VARIABLE.sub(lambda found: context.get(found[1], "-"), settings["format"])
    region, group = settings["destinationArn"].split(":")[3], settings["destinationArn"].split(":")[6]
    enter(ACCOUNT, region)
    open_log_stream(group, _STREAM)
    event = {"timestamp": int(time.time() * 1000), "message": line}
    cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": _STREAM, "logEvents": [event]})
