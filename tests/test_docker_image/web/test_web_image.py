"""What the page's image contains and what it is told, and how gunicorn serves it from its folder."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import version

import pytest

from hpc.local.loopback import free_port
from tests.test_docker_image.web.conftest import WEB_APPLICATION, environment

REQUIREMENTS = (WEB_APPLICATION / "requirements.txt").read_text()


def test_every_package_is_locked_by_hash_and_is_the_one_that_the_tests_ran_with():
    lines = [line for line in REQUIREMENTS.replace("\\\n", " ").splitlines() if not line.lstrip().startswith("#")]
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+(\s+--hash=sha256:[0-9a-f]{64}){1,2}", line), line
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", REQUIREMENTS, re.MULTILINE))
    assert {name: version(name) for name in locked} == locked
    assert "://" not in REQUIREMENTS


def test_the_image_is_pinned_locked_and_not_root():
    text = (WEB_APPLICATION / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines[0] == "FROM python:3.13-slim"
    assert "RUN pip install --no-cache-dir --require-hashes -r requirements.txt" in lines
    user = next(line for line in lines if line.startswith("USER "))
    assert re.fullmatch(r"USER [1-9][0-9]*:[1-9][0-9]*", user)
    assert lines.index(user) > max(index for index, line in enumerate(lines) if line.startswith(("COPY ", "RUN ")))
    copied = {line.split()[1] for line in lines if line.startswith("COPY ")}
    assert copied == {"requirements.txt", "gunicorn.conf.py", "web_application"}
    assert 'VOLUME ["/tmp"]' in lines, "Fargate would mount its volume so that only root can write"
    assert lines[-1] == 'CMD ["gunicorn"]'


class Asked(dict[str, str]):
    """An environment that keeps in mind which names it was asked for."""

    def __init__(self, **values: str) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def get(self, name, default=None):
        self.names.add(name)
        return super().get(name, default)

    def __getitem__(self, name):
        self.names.add(name)
        return super().__getitem__(name)

    def __contains__(self, name):
        self.names.add(name)
        return super().__contains__(name)


def test_only_the_settings_read_the_environment():
    code = "".join(file.read_text() for file in WEB_APPLICATION.rglob("*.py"))
    reading = [line.strip() for line in code.splitlines() if re.search(r"\bos\.environ|import environ|getenv", line)]
    assert sorted(reading) == [
        "config = Config.from_environment(os.environ)",
        "server = Server.from_environment(os.environ)",
    ]


def test_readme_and_dockerfile_name_the_environment_that_is_read():
    from web_application.config import Config, Server

    asked = Asked(API_ENDPOINT="https://api.example.org/v1", AWS_REGION="eu-central-1", SESSION_KEY="k" * 32)
    Config.from_environment(asked)
    Server.from_environment(asked)
    read = asked.names
    table = (WEB_APPLICATION / "README.md").read_text().partition("## Environment")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)} == read
    header = (WEB_APPLICATION / "Dockerfile").read_text().partition("FROM ")[0]
    named = re.findall(r"^#   ([A-Z_]+(?:, [A-Z_]+)*) ", header, re.MULTILINE)
    assert {name for names in named for name in names.split(", ")} == read


def test_no_file_is_fetched_from_elsewhere():
    for file in [*WEB_APPLICATION.rglob("*.html"), *WEB_APPLICATION.rglob("*.css")]:
        assert "://" not in file.read_text(), file
    assert (WEB_APPLICATION / "web_application" / "static" / "vendor" / "htmx.LICENSE").read_text().startswith("Zero-")


def test_gunicorn_serves_the_page_and_believes_no_forwarded_scheme(site):
    asked = urllib.request.Request(f"{site.url}/workflows/string_processing", headers={"X-Forwarded-Proto": "https"})
    with urllib.request.urlopen(asked) as answer:
        assert "Secure" not in answer.headers["Set-Cookie"]
        assert b"String processing" in answer.read()


def test_no_address_makes_two_lines_of_the_access_log_or_looks_like_another(site):
    forged = '/nowhere%0A127.0.0.1 "GET /runs HTTP/1.1" 200%1B[2J%C3%A9%25\\'
    with socket.create_connection(("127.0.0.1", int(site.url.rpartition(":")[2]))) as connection:
        sent = forged.replace(" ", "%20").replace('"', "%22").replace("\\", "%5C")
        connection.sendall(f"GET {sent} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        assert b" 404 " in connection.makefile("rb").readline()
    lines = []
    for _try in range(100):  # the line is written after the answer
        lines = [line for line in site.log.read_text().splitlines() if "nowhere" in line]
        if lines:
            break
        time.sleep(0.05)
    assert len(lines) == 1
    path = "/nowhere%0A127.0.0.1%20%22GET%20/runs%20HTTP/1.1%22%20200%1B[2J%C3%A9%25%5C"
    assert re.fullmatch(rf'127\.0\.0\.1 "GET {re.escape(path)} HTTP/1\.1" 404 \d+ \d+ms', lines[0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SESSION_KEY", "short"),
        ("API_ENDPOINT", "nowhere"),
        ("WEB_WORKERS", "two"),
        ("WEB_THREADS", "0"),
        ("PORT", "x"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_a_sentence(double, name, value):
    command = [sys.executable, "-m", "gunicorn"]
    env = environment(double, free_port(), **{name: value})
    ended = subprocess.run(
        command, cwd=WEB_APPLICATION, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    said = [line for line in ended.stderr.splitlines() if "[INFO]" not in line]
    assert len(said) == 1, ended.stderr
    assert said[0].startswith(f"The page cannot start. {name}: found ")
