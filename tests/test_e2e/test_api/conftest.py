"""The API of the platform, and what runs of it need."""

from __future__ import annotations

import itertools

import pytest

from tests.test_e2e.api_client import Api

_NUMBERS = itertools.count(1)
FILE = "lines & 土%20+.txt"
TEXT = b"".join(b"line %d\n" % number for number in range(40))


@pytest.fixture(scope="session")
def api(platform) -> Api:
    return Api(platform)


@pytest.fixture(scope="session")
def uploaded(api) -> dict[str, str]:
    """A file of 40 lines, uploaded as a page does it: bucket and key. Its name is none that needs no encoding."""
    return api.upload("Uploads", FILE, TEXT)


@pytest.fixture
def project() -> str:
    return f"Api{next(_NUMBERS)}"


@pytest.fixture
def parameters(uploaded, project) -> dict[str, object]:
    return {"ProjectNo": project, "INPUT_BUCKET": uploaded["bucket"], "INPUT_KEY": uploaded["key"], "SPLIT_NUM": 20}
