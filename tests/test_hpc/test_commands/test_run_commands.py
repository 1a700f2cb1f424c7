"""Commands that start runs, end them, and go on with them, against the emulator."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from hpc import results
from hpc.commands import run_commands, watching
from hpc.errors import HpcError, PlatformUnreachable, WrongInput
from tests.test_hpc.test_commands.conftest import hpc

pytestmark = pytest.mark.usefixtures("platform_is_up")


def test_a_cancelled_run(submitted):
    result = hpc("cancel", submitted)
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"Run {submitted} is cancelled" in result.stderr
    assert hpc("cancel", submitted).exit_code == 0
    watched = hpc("show", submitted, "--watch", "--json")
    assert watched.exit_code == 1
    assert json.loads(watched.stdout)["status"] == "CANCELLED"
    assert hpc("show", submitted).exit_code == 0
    assert hpc("results", submitted, "-o", "nowhere").exit_code == 1
    assert not Path("nowhere").exists()


def test_a_run_that_fails(lines_file, project, tmp_path, monkeypatch):
    # Stops the execution as soon as it is looked at.
    follow = watching.follow

    def follow_and_stop(connection, stack, workflow, run):
        connection.client("stepfunctions").stop_execution(executionArn=run.execution_arn, cause="power cut")
        return follow(connection, stack, workflow, run)

    monkeypatch.setattr(watching, "follow", follow_and_stop)
    result = hpc("run", lines_file, "--project", project, "--lines-per-shard", "2", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "its execution was stopped: power cut" in result.stdout
    assert list((tmp_path / "out").iterdir()) == []


def test_an_interrupted_run_goes_on(lines_file, project, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "follow", interrupt)
    result = hpc("run", lines_file, "--project", project, "--lines-per-shard", "2", "-o", tmp_path / "out")
    assert result.exit_code == 130
    (run,) = [run for run in json.loads(hpc("runs", "--json").stdout) if run["project"] == project]
    assert run["status"] == "PENDING"
    assert f"Run {run['run_id']} goes on without you. Watch it: " in result.stderr
    hpc("cancel", run["run_id"])


def test_an_interrupt_before_the_watch_tells_that_the_run_goes_on(lines_file, project, tmp_path, monkeypatch):
    said = run_commands.say

    def interrupt(text):
        if re.match("Run .* of workflow ", text):
            raise KeyboardInterrupt
        said(text)

    monkeypatch.setattr(run_commands, "say", interrupt)
    result = hpc("run", lines_file, "--project", project, "--lines-per-shard", "2", "-o", tmp_path / "out")
    assert result.exit_code == 130
    (run_id,) = re.findall(r"^Run (\S+) goes on without you. Watch it: .*; end it: ", result.stderr, re.MULTILINE)
    assert re.search(rf"hpc show {run_id} --watch; end it: .*hpc cancel {run_id}\n$", result.stderr)
    assert hpc("cancel", run_id).exit_code == 0


@pytest.mark.parametrize(
    "error",
    [
        HpcError("found another content"),
        WrongInput("--output: no room"),
        PlatformUnreachable("it is gone"),
        OSError(5, "Input/output error"),
    ],
)
def test_results_that_cannot_be_fetched(lines_file, project, tmp_path, monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(run_commands, "watch_run", lambda *args: replace(args[-1], status="SUCCEEDED"))
    monkeypatch.setattr(results, "fetch", refuse)
    result = hpc("run", lines_file, "--project", project, "--lines-per-shard", "2", "-o", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (getattr(error, "exit_code", 1), "")
    (run_id,) = re.findall(r"^Run (\S+) of workflow", result.stderr, re.MULTILINE)
    hpc("cancel", run_id)
    assert f"\nError: {error}\nRun {run_id} SUCCEEDED, only its results were not fetched; fetch them: " in result.stderr
    assert result.stderr.endswith(f"hpc results {run_id} -o DIR\n")


def test_a_cancelled_run_is_resumed(project, tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text("one\ntwo\n")
    run_id = hpc("submit", file, "--project", project, "--lines-per-shard", 2).stdout.strip()
    refused = hpc("resume", run_id)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"Error: run {run_id}: found it still going (PENDING); ")
    assert hpc("cancel", run_id).exit_code == 0

    result = hpc("resume", run_id)
    assert (result.exit_code, result.stdout) == (0, f"{run_id}\n")
    assert result.stderr.startswith(f"Run {run_id} goes on, with what is missing only. Watch it: ")
    shown = json.loads(hpc("show", run_id, "--json").stdout)
    assert (shown["status"], shown["resumes"], shown["reasons"]) == ("PENDING", 1, [])
    assert hpc("cancel", run_id).exit_code == 0
