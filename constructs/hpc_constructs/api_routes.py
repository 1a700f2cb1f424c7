"""The API's table of routes, as far as API Gateway needs it. Imports no CDK."""

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ApiMethod:
    """A method on a path with `{names}`; `request_parameters` in API Gateway's words, with whether each is required."""

    method: str
    path: str
    has_body: bool
    request_parameters: Mapping[str, bool]


def read_api_methods(function: Path) -> tuple[ApiMethod, ...]:
    """Imports the table from the function's folder, whose modules are of no package and of no other use here."""
    names = ("routes", "schemas")
    sys.path.insert(0, str(function))
    hidden = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    try:
        routes = importlib.import_module("routes").ROUTES
    finally:
        sys.path.remove(str(function))
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(hidden)
    return tuple(
        ApiMethod(
            method=route.method,
            path=route.path,
            has_body=route.body is not None,
            request_parameters={
                **{f"method.request.path.{name}": True for name in route.path_parameters},
                **{f"method.request.querystring.{name}": False for name in route.query},
                **{f"method.request.header.{name}": False for name in route.headers},
            },
        )
        for route in routes
    )
