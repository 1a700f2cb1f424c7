"""Clients for a stack, wherever it is, and what their errors mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    SSOError,
    TokenRetrievalError,
)

from hpc.errors import PlatformUnreachable

_CONNECT_TIMEOUT_S = 10
# AWS throttles; a part of the laptop platform that has died is started again within a second or two.
_CALLS = 6
# What GetObject answers when there is nothing to read (any more): expired, or moved to Glacier.
_NOT_READABLE = frozenset({"NoSuchKey", "NoSuchBucket", "404", "InvalidObjectState"})
# What services call a session's credentials that are over.
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException"})


@dataclass
class Connection:
    """Where a stack is and how to talk to it; `is_laptop` for the platform on this machine."""

    stack_name: str
    is_laptop: bool
    session: boto3.Session
    config: Config
    endpoint_url: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A client of `service` (`s3`, `batch`, ...), made once."""
        if service not in self._clients:
            # Else boto3 presigns for us-east-1 as it did before 2014; and plain v4 encodes the keys of objects twice.
            config = self.config.merge(Config(signature_version="s3v4")) if service == "s3" else self.config
            self._clients[service] = self.session.client(service, endpoint_url=self.endpoint_url, config=config)
        return self._clients[service]

    def table(self, name: str) -> Any:
        """A DynamoDB table that takes and gives Python values."""
        if "table" not in self._clients:
            resource = self.session.resource("dynamodb", endpoint_url=self.endpoint_url, config=self.config)
            self._clients["table"] = resource
        return self._clients["table"].Table(name)


def client_config(**settings: Any) -> Config:
    """How all clients call: patient with throttling, and never waiting long for a connection."""
    retries = {"mode": "standard", "total_max_attempts": _CALLS}
    return Config(retries=retries, connect_timeout=_CONNECT_TIMEOUT_S, **settings)


def error_code(error: ClientError) -> str:
    """The service's word for what went wrong, such as `NoSuchKey` or `404`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def caller(connection: Connection) -> str:
    """The ARN of the principal whose credentials these are, as API Gateway calls it too; needs no permission."""
    return str(connection.client("sts").get_caller_identity()["Arn"])


def find_object(connection: Connection, bucket: str, key: str, **options: str) -> Mapping[str, Any] | None:
    """GetObject's answer; None when there is no such object, or it was archived since."""
    try:
        found: Mapping[str, Any] = connection.client("s3").get_object(Bucket=bucket, Key=key, **options)
    except ClientError as error:
        if error_code(error) not in _NOT_READABLE:
            raise
        return None
    return found


@contextmanager
def reporting_unreachable() -> Iterator[None]:
    """Turns what AWS's clients raise for reasons outside of a command into one message."""
    try:
        yield
    except NoCredentialsError as error:
        raise PlatformUnreachable(
            "AWS credentials: found none; expected a profile, environment variables or a role; "
            "set them up (aws configure), or leave --stack out to work on this machine"
        ) from error
    except NoRegionError as error:
        raise PlatformUnreachable("AWS region: found none; expected the stack's; set AWS_REGION") from error
    except (ConnectionError, HTTPClientError) as error:
        raise PlatformUnreachable(f"The platform does not answer: {error}. Is it up? hpc up") from error
    except (SSOError, TokenRetrievalError) as error:
        raise PlatformUnreachable(f"AWS credentials: {error}; sign in again: aws sso login") from error
    except ClientError as error:
        if error_code(error) in _EXPIRED:
            raise PlatformUnreachable(
                "AWS credentials: found expired ones; expected ones that are valid now; sign in again (aws sso login), "
                "or set new ones in the environment"
            ) from error
        details = error.response.get("Error", {})
        raise PlatformUnreachable(
            f"AWS refused {error.operation_name}: {details.get('Code')}: {details.get('Message')}"
        ) from error
    except (BotoCoreError, Boto3Error) as error:
        raise PlatformUnreachable(f"AWS cannot be used: {error}") from error


def plain(value: Any) -> Any:
    """A value of a row as JSON knows it: DynamoDB's numbers are Decimal."""
    if isinstance(value, Mapping):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, Decimal):
        return int(value) if value == int(value) else float(value)
    return value
