"""Lambda: an exception's class is its error type, and calls may be lost, doubled or refused for a test."""

from __future__ import annotations

import asyncio
import os
import re
import time
from typing import Any

from ministack.services import apigateway_v1, lambda_svc, stepfunctions

from hpc.local.batch.faults import FaultSwitches
from hpc.local.hooks.replacing import replace

API_CALLS_AT_ONCE = 2 * (os.cpu_count() or 1)
_LAST_LINE = re.compile(r"^(?:\w+\.)*(\w+)(?::|$)")


def install(faults: FaultSwitches) -> None:
    """Puts the hooks of Lambda in place."""
    _name_errors()
    _suffer_faults(faults)
    _let_api_calls_wait()


def _suffer_faults(faults: FaultSwitches) -> None:
    """A state machine's call of a function meets the fault switches of `lambda:Invoke`."""
    call = stepfunctions._call_lambda

    def call_with_faults(function: str, event: Any) -> Any:
        fault = faults.for_call("lambda:Invoke")
        if fault.is_throttled:
            raise stepfunctions._ExecutionError("Lambda.TooManyRequestsException", "Rate exceeded (fault switch)")
        time.sleep(fault.delay_s)
        answers = [call(function, event) for _ in range(fault.copies)]
        if fault.is_lost:
            raise stepfunctions._ExecutionError("Lambda.Unknown", "The answer was lost (fault switch)")
        return answers[-1]

    replace(stepfunctions, "_call_lambda", call_with_faults)


def _let_api_calls_wait() -> None:
    """API Gateway's calls of functions wait for each other: each one at once is a process of 60 MB here."""
    call = apigateway_v1._call_lambda_raw
    free = asyncio.Semaphore(API_CALLS_AT_ONCE)

    async def call_when_free(*args: Any, **kwargs: Any) -> Any:
        async with free:
            return await call(*args, **kwargs)

    replace(apigateway_v1, "_call_lambda_raw", call_when_free)


def _name_errors() -> None:
    """The class of an exception is the `errorType`, as on AWS, so that Retry and Catch can name it."""
    run = lambda_svc._execute_function_warm

    def named(*args: Any, **kwargs: Any) -> dict[str, Any]:
        result: dict[str, Any] = run(*args, **kwargs)
        body = result.get("body")
        if result.get("error") and isinstance(body, dict) and body.get("errorType") == "Runtime.HandlerError":
            lines = [line for line in str(result.get("log", "")).splitlines() if line.strip()]
            match = _LAST_LINE.match(lines[-1]) if lines else None
            if match:
                body["errorType"] = match.group(1)
        return result

    replace(lambda_svc, "_execute_function_warm", named)
