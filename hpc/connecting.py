"""Where the command line's stack is: on this machine, or in an AWS account."""

from __future__ import annotations

import os
from typing import Any

import boto3
import botocore.session

from hpc.connection import Connection, client_config
from hpc.errors import PlatformUnreachable
from hpc.local import platform
from hpc.local.platform import PlatformState


def connect(stack_name: str | None = None) -> Connection:
    """The stack of that name in the AWS account of the person's credentials, or else the laptop platform.

    Raises PlatformUnreachable when no laptop platform is up.
    """
    return to_aws(stack_name) if stack_name else to_laptop(running_platform())


def running_platform() -> PlatformState:
    """The laptop platform; raises PlatformUnreachable when none is up, with the reason why the last one ended."""
    state = platform.find()
    if state is None:
        ended = platform.last_words()
        why = f" The last one ended: {ended}." if ended else ""
        raise PlatformUnreachable(f"No platform is running on this machine.{why} Start it: hpc up")
    return state


def to_aws(stack_name: str) -> Connection:
    """boto3's own search for credentials and region (environment, profile, instance role).

    AWS_REGION counts as well, before all others, as for the AWS CLI: boto3 itself knows AWS_DEFAULT_REGION only.
    Source: https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html
    """
    session = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
    return Connection(stack_name=stack_name, is_laptop=False, session=session, config=client_config())


def to_laptop(state: PlatformState) -> Connection:
    """Keeps the person's AWS profile, proxies and configuration out: they are for AWS, and may even be broken."""
    nothing: tuple[None, None, Any, None] = (None, None, None, None)
    no_file = (None, None, os.devnull, None)
    core = botocore.session.Session(
        session_vars={"profile": nothing, "config_file": no_file, "credentials_file": no_file}
    )
    session = boto3.Session(
        botocore_session=core,
        aws_access_key_id=state.access_key_id,
        aws_secret_access_key=state.secret_access_key,
        region_name=state.region,
    )
    config = client_config(proxies={}, s3={"addressing_style": "path"})
    return Connection(
        stack_name=state.stack_name, is_laptop=True, session=session, config=config, endpoint_url=state.endpoint_url
    )
