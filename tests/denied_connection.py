"""A connection to an AWS that answers nothing but a refusal."""

from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from hpc.connection import Connection

# What the checks of `hpc doctor` ask.
SERVICES = ("batch", "ecr", "ec2", "service-quotas", "sns", "s3")


def denied_connection() -> Connection:
    """Every call of these services is refused; others would go to AWS."""
    connection = Connection(
        stack_name="Production-test",
        is_laptop=False,
        session=boto3.Session("key", "secret", region_name="us-east-1"),
        config=Config(),
    )

    def refuse(model: Any, **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        # HEAD has no body that could say more.
        code = "403" if model.name == "HeadObject" else "AccessDeniedException"
        error = {"Code": code, "Message": "not you"}
        return AWSResponse("https://aws.example", 403, {}, None), {"Error": error}

    for service in SERVICES:
        connection.client(service).meta.events.register_first("before-call", refuse)
    return connection
