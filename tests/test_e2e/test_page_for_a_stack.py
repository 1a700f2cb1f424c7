"""`hpc web` as a person uses it who has credentials and the name of a stack, and no platform on their machine.

The account is the laptop platform of the tests, which they know by its endpoint and keys only.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from hpc.local.loopback import free_port
from tests.test_e2e.conftest import HPC, wait_until


@pytest.fixture
def person(platform, tmp_path) -> dict[str, str]:
    """Their environment: what `hpc env` prints, the stack's name, and a state directory that is empty."""
    printed = platform.hpc("env").stdout
    given = dict(shlex.split(line)[1].split("=", 1) for line in printed.splitlines() if line.startswith("export "))
    del given["HPC_API_URL"]
    kept = {name: platform.environment[name] for name in ("HOME", "PATH", "LANG") if name in platform.environment}
    return {**kept, **given, "HPC_STATE_DIR": str(tmp_path / "none"), "HPC_STACK": platform.key["stack_name"]}


@pytest.fixture
def web(person, tmp_path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a terminal's place, and the address that it prints."""
    process = subprocess.Popen(
        [str(HPC), "web", "--target", "aws", "--port", str(free_port())],
        env=person,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        printed = re.fullmatch(r"Page: (http://127\.0\.0\.1:\d+)\n", process.stdout.readline())
        assert printed, process.communicate(timeout=30)
        yield process, printed[1]
    finally:
        process.terminate()
        process.wait(30)


def test_the_page_shows_the_runs_of_the_stack_until_ctrl_c(platform, web, lines_file):
    process, url = web
    run_id = platform.submit(lines_file, "PageOnAws", 500)
    platform.wait(run_id)
    listed = opened(f"{url}/runs")
    assert f"/runs/{run_id}" in [link["href"] for link in listed.select("a[href]")]
    assert "PageOnAws" in listed.get_text()
    # The page of a run, whose results are signed by the API for the person
    assert opened(f"{url}/runs/{run_id}").select("section.results a[href]")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    lines = said.splitlines()
    assert lines[0].startswith(
        f"It works with {platform.key['stack_name']} in {platform.key['region']} as arn:aws:iam::"
    )
    assert lines[1:] == ["The page is ended; runs go on"]


def test_a_command_that_is_killed_leaves_no_page(web):
    process, url = web
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    wait_until(lambda: not answers(url), 15)


def test_a_stack_without_an_api_says_what_to_deploy(person, tmp_path):
    ended = subprocess.run(
        [str(HPC), "--stack", "Production-nobody", "web"],
        env=person,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "Stack WebApplication-nobody: found none of that name" in ended.stderr
    assert "deploy it: cdk deploy WebApplication-nobody" in ended.stderr


def test_the_persons_machine_keeps_nothing(web, person, tmp_path):
    _, url = web
    opened(f"{url}/workflows/string_processing")
    assert list(tmp_path.iterdir()) == []
    assert not Path(person["HPC_STATE_DIR"]).exists()


def opened(address: str) -> BeautifulSoup:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return BeautifulSoup(answer.read(), "html5lib")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=5):
            return True
    except OSError:
        return False
