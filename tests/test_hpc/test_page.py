"""The page on a person's machine: its settings, its process, and what is refused before it starts."""

from __future__ import annotations

import ast
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from hpc import page as of_person
from hpc.errors import PlatformUnreachable, WrongInput
from hpc.local import loopback, web
from hpc.local.loopback import free_port
from hpc.page import PACKAGES, Page, check_is_installed, choose_port, ended_as_by_ctrl_c, serving

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docker-image" / "WebApplication"
# What comes with Flask and with botocore.
WITH_OTHERS = {"werkzeug", "markupsafe", "urllib3"}


@pytest.fixture
def page() -> Page:
    """Nobody answers at its API, which its health check does not ask."""
    return Page(port=free_port(), api_endpoint="http://127.0.0.1:1/v1", region="eu-west-3")


@pytest.fixture
def credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


def test_the_page_is_told_its_settings_and_keeps_the_persons_credentials(page):
    persons = {"AWS_PROFILE": "lab", "AWS_REGION": "us-west-2", "HOME": "/home/ada", "GUNICORN_CMD_ARGS": "-b 0.0.0.0"}
    told = page.environment(persons)
    assert (told["AWS_PROFILE"], told["HOME"]) == ("lab", "/home/ada")
    assert (told["API_ENDPOINT"], told["AWS_REGION"], told["PORT"]) == (page.api_endpoint, "eu-west-3", str(page.port))
    assert told["SESSION_COOKIE"] == f"page-{page.port}"
    assert (told["BIND_HOST"], told["TRUSTED_HOSTS"]) == ("127.0.0.1", "127.0.0.1,localhost")
    assert "GUNICORN_CMD_ARGS" not in told


def test_every_session_has_a_key_of_its_own(page):
    keys = {page.environment({"SESSION_KEY": "k" * 32})["SESSION_KEY"] for _time in range(3)}
    assert len(keys) == 3
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in keys)


def test_no_setting_of_the_page_comes_from_the_persons_environment(page):
    table = (FOLDER / "README.md").read_text().partition("## Environment")[2].partition("\n## ")[0]
    names = re.findall(r"`([A-Z_]+)`", "".join(line.split("|")[1] for line in table.splitlines() if "| `" in line))
    assert {"SESSION_KEY", "WEB_THREADS", "SIGN_IN_SIGNER", "BIND_HOST"} <= set(names)
    told = page.environment(dict.fromkeys(names, "the person's"))
    assert "the person's" not in told.values()


def test_what_is_looked_for_is_what_the_page_imports():
    imported = set()
    for file in [FOLDER / "gunicorn.conf.py", *(FOLDER / "web_application").glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            imported |= {name.partition(".")[0] for name in names}
    others = imported - sys.stdlib_module_names - WITH_OTHERS - {"web_application"}
    assert others | {"cryptography"} == set(PACKAGES)  # PyJWT needs it for ES256, and imports it late


def test_a_missing_package_is_named(monkeypatch):
    check_is_installed()
    monkeypatch.setitem(sys.modules, "flask_wtf", None)
    monkeypatch.setattr(of_person, "PACKAGES", ("flask", "no_such_package"))
    with pytest.raises(PlatformUnreachable) as refusal:
        check_is_installed()
    assert str(refusal.value) == (
        "The page: found no Python package no_such_package; expected what requirements.txt names; "
        "install it: make setup"
    )


def test_a_missing_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(of_person, "PROJECT_ROOT", tmp_path)
    with pytest.raises(
        PlatformUnreachable, match=f"^The page: found no {tmp_path}/docker-image/WebApplication; expected"
    ):
        check_is_installed()


def test_a_port_that_is_taken_is_refused_when_it_was_asked_for_and_else_another_one_is_found(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(WrongInput, match=f"^--port: found port {taken} of 127.0.0.1 taken by another program; "):
            choose_port(taken)
        monkeypatch.setattr(web, "DEFAULT_WEB_PORT", taken)
        assert choose_port(None) != taken
    assert choose_port(taken) == taken
    assert choose_port(None) == taken


@pytest.mark.usefixtures("credentials")
def test_the_page_answers_on_loopback_only_and_ends_with_the_block(page):
    with serving(page) as process:
        with urllib.request.urlopen(f"{page.url}/healthz") as answer:
            assert answer.status == 200
        # All of 127.0.0.0/8 is this machine: what listens on every address would answer here too.
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", page.port))
        assert process.poll() is None
    assert process.returncode == 0
    assert loopback.is_free(page.port)


@pytest.mark.usefixtures("credentials")
def test_a_page_that_has_to_be_killed_leaves_no_worker(page, monkeypatch):
    monkeypatch.setattr(of_person, "END_WITHIN_S", 0.2)
    with serving(page) as process:
        os.kill(process.pid, signal.SIGSTOP)
    assert process.returncode == -signal.SIGKILL
    give_up_at = time.monotonic() + 5  # the worker was killed too, and is gone when the kernel is done with it
    while not loopback.is_free(page.port):
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def test_a_page_that_cannot_start_is_told_with_what_it_said(page, monkeypatch, capfd):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/no/such/file")
    with pytest.raises(PlatformUnreachable) as refusal, serving(page):
        pytest.fail("it answered")
    assert str(refusal.value) == f"The page does not answer at {page.url}; what it said is above"
    assert "The page cannot start. No AWS credentials were found" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_interrupt_as_ctrl_c_does(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), ended_as_by_ctrl_c():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before


def test_a_hangup_that_nohup_ignores_stays_ignored():
    program = (
        "import os, signal; from hpc.page import ended_as_by_ctrl_c\n"
        "with ended_as_by_ctrl_c():\n    os.kill(os.getpid(), signal.SIGHUP)\n    print('goes on')"
    )
    ended = subprocess.run(
        ["nohup", sys.executable, "-c", program], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "goes on\n"
