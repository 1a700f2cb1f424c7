"""Where the API of a stack answers."""

from __future__ import annotations

from urllib.parse import urlsplit

from hpc.connection import Connection
from hpc.errors import PlatformUnreachable
from hpc.stack import outputs_of

_OUTPUT = "ApiUrl"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def find_api_url(connection: Connection) -> str | None:
    """The address to put paths such as `/runs` behind; None when no API is deployed."""
    url = (outputs_of(connection, _stack_name(connection)) or {}).get(_OUTPUT)
    return None if url is None else _reachable(url, connection)


def api_url(connection: Connection) -> str:
    """The address of a stack on AWS; raises PlatformUnreachable, with what to deploy, when there is none."""
    name = _stack_name(connection)
    advice = f"deploy it: cdk deploy {name} (the API alone, without the page's image: -c webMinTasks=0)"
    outputs = outputs_of(connection, name)
    if outputs is None:
        region = connection.session.region_name
        raise PlatformUnreachable(f"Stack {name}: found none of that name in {region}; {advice}")
    if _OUTPUT not in outputs:
        raise PlatformUnreachable(f"Stack {name}: its output {_OUTPUT} is missing; {advice}")
    return _reachable(outputs[_OUTPUT], connection)


def _stack_name(connection: Connection) -> str:
    return f"WebApplication-{connection.stack_name.removeprefix('Production-')}"


def _reachable(url: str, connection: Connection) -> str:
    """An emulator has no host names of its own, so there the API's id and stage are in the path."""
    endpoint = connection.client("cloudformation").meta.endpoint_url
    if urlsplit(endpoint).hostname not in _LOOPBACK:
        return url
    parts = urlsplit(url)
    return f"{endpoint}/restapis/{parts.netloc.partition('.')[0]}/{parts.path.strip('/')}/_user_request_"
