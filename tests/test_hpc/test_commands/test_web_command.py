"""`hpc web`: the page for a stack on AWS, which is the emulator of the tests here, and where the laptop's own is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from hpc import connecting
from hpc.local import loopback
from tests.test_hpc.test_commands.conftest import hpc, take_for_an_account

HPC = Path(sys.executable).parent / "hpc"
EXPECTED = "expected the stack of the runs, such as Production-abc: hpc --stack Production-abc web"


@pytest.fixture
def account(monkeypatch, platform_state):
    take_for_an_account(monkeypatch, platform_state)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def started(account, api, platform_state, port):
    """`hpc --stack ... web` in a process of its own, whose page answers."""
    process = subprocess.Popen(
        [HPC, "--stack", platform_state.stack_name, "web", "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"Page: http://127.0.0.1:{port}\n", process.communicate()
        yield process
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_page_is_served_until_it_is_interrupted(started, platform_state, port, number):
    assert loopback.answers(f"http://127.0.0.1:{port}/healthz")
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/runs")
    assert raised.value.code == 502  # the stack of the tests names an API and has none
    started.send_signal(number)
    stdout, stderr = started.communicate(timeout=30)
    assert (started.returncode, stdout) == (0, "")
    lines = stderr.splitlines()
    assert lines[0].startswith(f"It works with {platform_state.stack_name} in {platform_state.region} as arn:aws:")
    assert lines[0].endswith(". Ctrl-C ends it")
    assert lines[-1] == "The page is ended; runs go on"
    assert "Traceback" not in stderr
    assert "The API gave no answer: GET http://127.0.0.1:" in stderr
    assert loopback.is_free(port)


def test_a_page_that_dies_is_told(started):
    (page,) = children(started.pid)
    os.kill(page, signal.SIGKILL)
    _, stderr = started.communicate(timeout=30)
    assert started.returncode == 3
    assert stderr.endswith("Error: The page ended by itself, with exit code -9; what it said is above\n")


def children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.usefixtures("account")
def test_a_port_that_is_taken(platform_state):
    with socket.create_server(("127.0.0.1", 0)) as other:
        result = hpc("--stack", platform_state.stack_name, "web", "--port", other.getsockname()[1])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "of 127.0.0.1 taken by another program; expected a free one" in result.stderr


@pytest.mark.usefixtures("account")
def test_no_such_stack(platform_state):
    result = hpc("--stack", "Production-none", "web")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith(
        f"Error: Stack WebApplication-none: found none of that name in {platform_state.region}; deploy it: cdk deploy "
    )


def test_no_credentials(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/no/such/file")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    result = hpc("--stack", "Production-abc", "web")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("Error: AWS credentials: found none; expected a profile, ")


@pytest.mark.parametrize(
    ("args", "environment", "message"),
    [
        (["web", "--target", "aws"], {}, f"--stack: found nothing (nor HPC_STACK); {EXPECTED}"),
        (["--stack", "abc", "web"], {}, f"--stack: found 'abc'; {EXPECTED}"),
        (["web"], {"HPC_STACK": "WebApplication-abc"}, f"--stack: found 'WebApplication-abc'; {EXPECTED}"),
        (["web", "--port", "8080"], {}, "--port goes with --stack NAME"),
        (["--stack", "Production-abc", "web", "--port", "80"], {}, "80 is not in the range 1024<=x<=65535"),
        (["web", "--target", "moon"], {}, "'moon' is not one of 'laptop', 'aws'"),
    ],
)
def test_wrong_usage(args, environment, message):
    result = hpc(*args, env=environment)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


@pytest.mark.parametrize("args", [["web"], ["web", "--target", "laptop"]])
def test_the_page_of_the_laptop_is_the_one_that_hpc_up_serves(monkeypatch, platform_state, args):
    with_page = replace(platform_state, web_url="http://127.0.0.1:8080")
    monkeypatch.setattr(connecting.platform, "running", lambda: with_page)
    result = hpc(*args)
    assert (result.exit_code, result.stdout) == (0, "Page: http://127.0.0.1:8080\n")
    assert result.stderr.startswith("hpc up serves it. For a stack on AWS: ")
    assert hpc("--stack", "Production-abc", "web", "--target", "laptop").stdout == result.stdout


@pytest.mark.usefixtures("platform_is_up")
def test_a_platform_without_a_page():
    result = hpc("web")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "Error: The platform on this machine serves no page. Start it again: hpc up\n"
