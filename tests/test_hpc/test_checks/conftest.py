"""Answers in AWS's shapes: botocore refuses a request or an answer that its model of the service does not know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from hpc.checks.compute import Environment, Queue
from hpc.connection import Connection


@pytest.fixture
def aws() -> Connection:
    """A connection that must not be used without an answer for it."""
    session = boto3.Session("key", "secret", region_name="us-east-1")
    return Connection(stack_name="Production-abc", is_laptop=False, session=session, config=Config())


@pytest.fixture
def answers(aws: Connection) -> Iterator[Callable[[str], Stubber]]:
    """Gives the answers of a service; at the end all of them must have been asked for."""
    made: dict[str, Stubber] = {}

    def of(service: str) -> Stubber:
        if service not in made:
            made[service] = Stubber(aws.client(service))
            made[service].activate()
        return made[service]

    yield of
    for stubber in made.values():
        stubber.assert_no_pending_responses()


SPOT = Environment("spot", "SPOT", "ENABLED", "VALID", "Healthy", 192, ("r6g",), ("subnet-1",))
ON_DEMAND = replace(SPOT, name="on-demand", kind="EC2", max_vcpus=64)


@pytest.fixture
def environment() -> Callable[..., Environment]:
    """A Spot environment of r6g with up to 192 vCPUs, changed."""
    return lambda **changes: replace(SPOT, **changes)


@pytest.fixture
def queue() -> Callable[..., Queue]:
    """The queue of first tries on Graviton, Spot before on-demand, changed."""
    first = Queue("first", "graviton", "first_try", "ENABLED", (SPOT, ON_DEMAND))

    def make(*environments: Environment, **changes: Any) -> Queue:
        return replace(first, environments=environments or first.environments, **changes)

    return make
