"""Where the API of the laptop platform answers."""

from __future__ import annotations

from urllib.parse import urlsplit

from hpc.connection import Connection
from hpc.stack import outputs_of


def laptop_api_url(connection: Connection) -> str | None:
    """The address to put paths such as `/runs` behind; None when no API is deployed.

    The emulator has no host names of its own, so the API's id and stage are in the path.
    """
    outputs = outputs_of(connection, f"WebApplication-{connection.stack_name.removeprefix('Production-')}") or {}
    if "ApiUrl" not in outputs:
        return None
    url = urlsplit(outputs["ApiUrl"])
    return f"{connection.endpoint_url}/restapis/{url.netloc.partition('.')[0]}/{url.path.strip('/')}/_user_request_"
