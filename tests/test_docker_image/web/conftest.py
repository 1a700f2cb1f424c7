"""The page as its own process or in this one, against the double of the API."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from hpc.local.loopback import free_port, wait_until_it_answers
from tests.test_docker_image.web.api_double import ApiDouble
from tests.test_docker_image.web.signature import CREDENTIALS, REGION

ROOT = Path(__file__).resolve().parents[3]
WEB_APPLICATION = ROOT / "docker-image" / "WebApplication"
sys.path.insert(0, str(WEB_APPLICATION))

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}
SESSION_KEY = "a-session-key-of-the-tests-0123456789"


def parsed(answer: Any) -> BeautifulSoup:
    """An answer's HTML, which has to be without any parse error."""
    import html5lib

    html5lib.HTMLParser(strict=True).parse(answer.get_data(as_text=True))
    return BeautifulSoup(answer.get_data(as_text=True), "html5lib")


def fragment(answer: Any) -> BeautifulSoup:
    """A part of a page."""
    return BeautifulSoup(answer.get_data(as_text=True), "html5lib")


def words(element: Any) -> str:
    """An element's text with single spaces."""
    return " ".join(element.get_text(" ").split())


@dataclass
class Page:
    """The application in this process, and what a person does with it by hand."""

    client: Any
    double: ApiDouble

    def form(self, **values: Any) -> dict[str, Any]:
        """The fields of a fresh form, with these values."""
        document = parsed(self.client.get("/workflows/string_processing"))
        hidden = {each["name"]: each["value"] for each in document.select("input[type=hidden]")}
        return (
            hidden | {"ProjectNo": "Soil1", "SPLIT_NUM": "100", "architecture": "graviton", "action": "start"} | values
        )

    def of_object(self, **values: Any) -> dict[str, Any]:
        """A form whose input is in S3."""
        return self.form(source="object", INPUT_BUCKET="production-abc-data", INPUT_KEY="uploads/Soil1/a.txt") | values

    def send(self, form: dict[str, Any], **arguments: Any) -> Any:
        return self.client.post(
            "/workflows/string_processing", data=form, content_type="multipart/form-data", **arguments
        )


@pytest.fixture
def double() -> Iterator[ApiDouble]:
    with ApiDouble(takes_s=60.0).serving() as serving:
        yield serving


def make_client(double: ApiDouble, **settings: Any) -> Any:
    from web_application import create_app
    from web_application.config import Config

    return create_app(Config(double.endpoint, REGION, SESSION_KEY, **settings), CREDENTIALS).test_client()


@pytest.fixture
def page(double: ApiDouble) -> Page:
    return Page(make_client(double), double)


@dataclass(frozen=True)
class Site:
    """The page as gunicorn serves it from its folder."""

    url: str
    double: ApiDouble
    log: Path


def environment(double: ApiDouble, port: int, **more: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nowhere",
        "PYTHONDONTWRITEBYTECODE": "1",
        "API_ENDPOINT": double.endpoint,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": CREDENTIALS.access_key,
        "AWS_SECRET_ACCESS_KEY": CREDENTIALS.secret_key,
        "SESSION_KEY": SESSION_KEY,
        "BIND_HOST": "127.0.0.1",
        "PORT": str(port),
        "POLL_SECONDS": "1",
        "TRUSTED_HOSTS": "127.0.0.1",
    } | more


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    log = tmp_path_factory.mktemp("page") / "gunicorn.log"
    with ApiDouble(takes_s=4.0).serving() as double:
        port = free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn"],
                cwd=WEB_APPLICATION,
                env=environment(double, port, UPLOAD_MAX_BYTES="2000000"),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            url = f"http://127.0.0.1:{port}"
            is_up = wait_until_it_answers(f"{url}/healthz", within_s=30, has_ended=lambda: process.poll() is not None)
            assert is_up, log.read_text()
            yield Site(url, double, log)
        finally:
            process.terminate()
            process.wait(30)
