"""Where the API of a deployment answers."""

from __future__ import annotations

from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from hpc.connection import Connection, error_code


def api_url(connection: Connection) -> str | None:
    """The address to put paths such as `/runs` behind; None when no API is deployed.

    The emulator has no host names of its own, so the API's id and stage are in the path there.
    """
    name = f"WebApplication-{connection.stack_name.removeprefix('Production-')}"
    try:
        stacks = connection.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error_code(error) != "ValidationError":
            raise
        return None
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}
    if "ApiUrl" not in outputs:
        return None
    url = str(outputs["ApiUrl"]).rstrip("/")
    if not connection.is_laptop:
        return url
    host, stage = urlsplit(url).netloc, urlsplit(url).path.strip("/")
    return f"{connection.endpoint_url}/restapis/{host.partition('.')[0]}/{stage}/_user_request_"
