"""Lambda: an exception's class is its error type."""

from __future__ import annotations

import re
from typing import Any

from ministack.services import lambda_svc

from hpc.local.hooks.replacing import replace

_LAST_LINE = re.compile(r"^(?:\w+\.)*(\w+)(?::|$)")


def install() -> None:
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
