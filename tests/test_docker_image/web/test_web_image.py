"""What the page's image contains and what it is told, and how gunicorn serves it from its folder."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from importlib.metadata import version

import pytest

from tests.test_docker_image.web.conftest import WEB_APPLICATION, environment, free_port

REQUIREMENTS = (WEB_APPLICATION / "requirements.txt").read_text()
# How gunicorn is set up, and what AWS gives.
NOT_OF_CONFIG = {"PORT", "BIND_HOST", "WEB_WORKERS", "WEB_THREADS"}


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


def test_readme_and_dockerfile_name_the_environment_that_is_read():
    code = "".join(file.read_text() for file in WEB_APPLICATION.rglob("*.py"))
    read = (
        set(re.findall(r"""(?:env\.get|_required|_whole_number)\(\s*(?:env, )?["']([A-Z_]+)["']""", code))
        | NOT_OF_CONFIG
    )
    read |= set(re.findall(r"environ\.get\('([A-Z_]+)'", code))
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


@pytest.mark.parametrize(("name", "value"), [("SESSION_KEY", "short"), ("API_ENDPOINT", "nowhere")])
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
