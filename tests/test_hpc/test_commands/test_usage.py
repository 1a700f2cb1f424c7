"""Help, exit codes, and what is refused before a platform is needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpc.local import platform
from hpc.local.platform import PlatformError
from tests.test_hpc.test_commands.conftest import hpc

RUN_ID = "20260131-093000-1a2b3c"


@pytest.mark.parametrize(
    "command",
    ["up", "down", "env", "web", "run", "submit", "runs", "show", "logs", "results", "cancel", "resume", "doctor"],
)
def test_every_command_has_help(command):
    result = hpc(command, "--help")
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: main {command}")


def test_the_exit_codes_are_in_the_help():
    text = " ".join(hpc("--help").output.split())
    assert (
        "0 done, and the run succeeded; 1 the run failed; 2 wrong usage or input; 3 the platform cannot be reached"
        in text
    )


@pytest.mark.usefixtures("no_platform")
@pytest.mark.parametrize(
    "args",
    [
        ["runs"],
        ["show", RUN_ID],
        ["show", "--platform", "--json"],
        ["logs", RUN_ID],
        ["results", RUN_ID, "-o", "x"],
        ["cancel", RUN_ID],
        ["resume", RUN_ID],
        ["doctor"],
        ["doctor", RUN_ID, "--json"],
        ["env"],
        ["web"],
    ],
)
def test_without_a_platform_the_exit_code_is_3(args):
    result = hpc(*args)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith("Error: No platform is running on this machine. Start it: ")
    assert result.stderr.endswith("hpc up\n")


@pytest.mark.usefixtures("no_platform")
@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["up", "--port", "80"], "Invalid value for '--port': 80 is not in the range 1024<=x<=65535."),
        (["up", "--port", "x"], "Invalid value for '--port': 'x' is not a valid integer range."),
        (["runs", "--days", "0"], "Invalid value for '--days': 0 is not in the range 1<=x<=366."),
        (["show"], "expected either RUN or --platform"),
        (["show", RUN_ID, "--platform"], "expected either RUN or --platform"),
        (["show", "a/b"], "RUN: found 'a/b'; expected a run's id such as 20260131-093000-1a2b3c; see: hpc runs"),
        (["cancel", ""], "RUN: found ''; expected a run's id such as 20260131-093000-1a2b3c; see: hpc runs"),
        (["resume"], "Missing argument 'RUN'."),
        (["logs", "--nothing"], "No such option '--nothing'"),
        (["results", RUN_ID], "Missing option '-o' / '--output'."),
        (["run"], "Missing argument 'FILE'."),
        (["run", "x", "-o", "y", "--workflow", "z"], "--workflow: found 'z'; expected one of: string_processing"),
        (["submit", "--project", "P1"], "--lines-per-shard (SPLIT_NUM): found nothing; expected a whole number"),
        (["nothing"], "No such command 'nothing'."),
    ],
)
def test_wrong_usage_is_told_with_exit_code_2(args, message):
    result = hpc(*args)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.usefixtures("no_platform")
@pytest.mark.parametrize("command", ["run", "submit"])
def test_bad_input_is_refused_before_a_platform_is_needed(command, tmp_path):
    output = ["-o", tmp_path / "out"] if command == "run" else []
    result = hpc(command, tmp_path / "none", "--project", "a/b", "--lines-per-shard", "0", *output)
    assert result.exit_code == 2
    assert "--project (ProjectNo): found 'a/b'; expected 1 to 64" in result.stderr
    assert "--lines-per-shard (SPLIT_NUM): found 0; expected a whole number from 1 to 1000000000" in result.stderr
    result = hpc(command, tmp_path / "none", "--project", "P1", "--lines-per-shard", "10", *output)
    assert result.exit_code == 2
    assert "none': No such file or directory; expected a regular file" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("no_platform")
@pytest.mark.parametrize("command", ["run", "submit"])
@pytest.mark.parametrize(("file", "shown"), [("", "."), (".", "."), ("/", "/")])
def test_a_file_without_a_name_is_refused(command, file, shown, tmp_path):
    output = ["-o", tmp_path / "out"] if command == "run" else []
    result = hpc(command, file, "--project", "P1", "--lines-per-shard", "2", *output)
    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: FILE: found '{shown}', a folder; expected a regular file\n",
    )


@pytest.mark.usefixtures("no_platform")
@pytest.mark.parametrize("command", ["run", "submit"])
def test_what_may_not_be_read_is_refused_in_our_words(command, tmp_path, monkeypatch):
    # Root may read everything, and tests may run as root.
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    output = ["-o", "out"] if command == "run" else []
    result = hpc(command, "folder", "--project", "P1", "--lines-per-shard", "2", *output)
    assert (result.exit_code, result.stderr) == (2, "Error: FILE: found 'folder', a folder; expected a regular file\n")


@pytest.mark.usefixtures("no_platform")
def test_submit_refuses_a_file_whose_results_could_not_be_fetched(tmp_path):
    file = tmp_path / ("土" * 80 + "ab")
    file.touch()
    result = hpc("submit", file, "--project", "P1", "--lines-per-shard", "2")
    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: FILE: its result would be called 'reverse_{'土' * 52}...' (96 characters), 256 bytes; expected at "
        "most 255 bytes, what a file system allows; rename the file\n",
    )


@pytest.mark.usefixtures("no_platform")
def test_submit_refuses_an_object_whose_results_could_not_be_fetched():
    key = "uploads/" + "土" * 80 + "ab"
    given = ["--project", "P1", "--lines-per-shard", "2", "--input-bucket", "data-bucket", "--input-key", key]
    result = hpc("submit", *given)
    assert (result.exit_code, result.stderr) == (
        2,
        f"Error: --input-key (INPUT_KEY): its result would be called 'reverse_{'土' * 52}...' (96 characters), 256 "
        "bytes; expected at most 255 bytes, what a file system allows; copy the object to a key with a shorter last "
        "part\n",
    )


def test_output_that_has_no_room_is_told(tmp_path):
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); "
        "import click; from hpc.cli import main; "
        "main.command('words')(lambda: click.echo('x' * 10000)); main(['words'])"
    )
    with (tmp_path / "output").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (ended.returncode, ended.stderr) == (
        1,
        "Error: the output cannot be written: File too large; expected room where it goes; make some\n",
    )


@pytest.mark.parametrize("exit_code", [2, 3])
def test_a_platform_that_cannot_start_says_why(monkeypatch, exit_code):
    def refuse(**_):
        raise PlatformError("port 4566 of 127.0.0.1 is taken", exit_code=exit_code)

    monkeypatch.setattr(platform, "up", refuse)
    result = hpc("up", "--port", "4566")
    assert (result.exit_code, result.stderr) == (exit_code, "Error: port 4566 of 127.0.0.1 is taken\n")
