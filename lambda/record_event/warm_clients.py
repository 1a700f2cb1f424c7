"""Clients of AWS, made when they are first needed and kept for the next calls of the same function instance."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

# Throttled writes wait and try again within the call; what then is left comes back with the queue.
_RETRIES = Config(retries={"mode": "standard", "total_max_attempts": 5})


@cache
def client(service: str) -> Any:
    """Making one costs 20 to 100 ms of CPU; they have no state but connections."""
    return boto3.client(service, config=_RETRIES)
