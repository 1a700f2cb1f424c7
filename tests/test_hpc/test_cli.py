"""The commands: exit codes, what goes to standard output, what goes to standard error."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hpc import cli, connecting
from hpc.errors import HpcError, PlatformUnreachable, WrongInput
from hpc.local.platform import PlatformError
from hpc.runs import Run

WAITS = {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}
RUN_ID = "20260131-093000-1a2b3c"


@pytest.fixture
def no_platform(monkeypatch):
    monkeypatch.setattr(connecting.platform, "running", lambda: None)


@pytest.fixture
def platform_is_up(monkeypatch, platform_state, connection, stack):
    """The commands find the emulator of the tests as their platform."""
    monkeypatch.setattr(connecting.platform, "running", lambda: platform_state)
    monkeypatch.setattr(connecting, "to_laptop", lambda state: connection)
    monkeypatch.setattr(cli, "to_laptop", lambda state: connection)
    monkeypatch.setattr(cli.platform, "up", lambda **_: platform_state)


def hpc(*args, **settings):
    return CliRunner().invoke(cli.main, [str(arg) for arg in args], **settings)


@pytest.mark.parametrize(
    "command", ["up", "down", "env", "run", "submit", "runs", "show", "logs", "results", "cancel", "resume", "doctor"]
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
        "from hpc.cli import click, main; main.command('words')(lambda: click.echo('x' * 10000)); main(['words'])"
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

    monkeypatch.setattr(cli.platform, "up", refuse)
    result = hpc("up", "--port", "4566")
    assert (result.exit_code, result.stderr) == (exit_code, "Error: port 4566 of 127.0.0.1 is taken\n")


@pytest.mark.usefixtures("platform_is_up")
class TestWithPlatform:
    """The commands against the emulator."""

    @pytest.fixture
    def file(self, tmp_path):
        file = tmp_path / "lines.txt"
        file.write_text("one\ntwo\nthree\n")
        return file

    @pytest.fixture
    def submitted(self, file, project):
        """The id of a run that goes on."""
        result = hpc("submit", file, "--project", project, "--lines-per-shard", "2")
        assert result.exit_code == 0, result.output
        assert "Watch it: " in result.stderr
        return result.stdout.removesuffix("\n")

    def test_up(self, platform_state):
        result = hpc("up")
        assert result.exit_code == 0
        assert result.stdout.startswith(f"Platform: {platform_state.endpoint_url} (process ")

    def test_the_platform_for_scripts(self, platform_state):
        result = hpc("show", "--platform", "--json")
        assert json.loads(result.stdout) == {
            "pid": platform_state.pid,
            "endpoint_url": platform_state.endpoint_url,
            "web_url": None,
            "data_dir": platform_state.data_dir,
            "api_url": None,
        }
        assert "web_url: none yet" in hpc("show", "--platform").stdout

    def test_the_environment_is_safe_for_a_shell(self, platform_state):
        lines = hpc("env").stdout.splitlines()
        assert f"export AWS_ENDPOINT_URL={platform_state.endpoint_url}" in lines
        assert {line.split("=")[0] for line in lines[1:]} == {
            "export AWS_ENDPOINT_URL",
            "export AWS_ACCESS_KEY_ID",
            "export AWS_SECRET_ACCESS_KEY",
            "export AWS_REGION",
            "export AWS_DEFAULT_REGION",
        }

    def test_a_submitted_run_is_listed_and_shown(self, submitted, project):
        (listed,) = [run for run in json.loads(hpc("runs", "--json").stdout) if run["run_id"] == submitted]
        assert listed | {"workflow": "string_processing", "project": project, "status": "PENDING"} == listed
        assert listed["created_at"].endswith("Z")
        assert submitted in hpc("runs").stdout

        shown = json.loads(hpc("show", submitted, "--json").stdout)
        tasks = shown.pop("tasks")
        assert shown == listed
        assert [f"{task['state']}-{task['index']}" for task in tasks][:3] == [
            "String_Split-0",
            "String_Repeat-0",
            "String_Repeat-1",
        ]
        assert {task["status"] for task in tasks} == {"PENDING"}
        assert f"Run {submitted}  PENDING  String processing, project {project}" in hpc("show", submitted).stdout

    def test_a_cancelled_run(self, submitted):
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

    def test_an_unknown_run(self):
        for command in (["show"], ["logs"], ["cancel"], ["results", "-o", "x"]):
            result = hpc(*command, RUN_ID)
            assert (result.exit_code, result.stdout) == (2, "")
            assert f"RUN: found no run '{RUN_ID}'; expected one of those that this lists: hpc runs" in result.stderr

    def test_a_run_of_a_workflow_that_is_no_longer_there(self, make_run):
        result = hpc("show", make_run(workflow="gone", status="SUCCEEDED").run_id)
        assert result.exit_code == 2
        assert "found workflow 'gone'; expected one of the folders in workflows/: string_processing" in result.stderr

    def test_logs(self, submitted, submit_job, wait_for):
        wait_for(submit_job(submitted, "String_Split-0", "echo 'found 3 lines'"))
        result = hpc("logs", submitted, "String_Split")
        assert result.exit_code == 0
        heading, *lines = result.stdout.splitlines()
        assert heading.startswith("=== String_Split-0 attempt 1 of 1, SUCCEEDED (/aws/batch/job ")
        assert lines == ["started", "found 3 lines"]
        assert hpc("logs", submitted, "nothing").exit_code == 2
        connecting.connect().client("stepfunctions").stop_execution(executionArn=self.execution_of(submitted))

    def execution_of(self, run_id):
        return f"arn:aws:states:us-east-1:000000000000:execution:string_processing:{run_id}-1"

    def test_a_run_that_fails(self, file, project, tmp_path, monkeypatch):
        # Stops the execution as soon as it is looked at.
        follow = cli.follow

        def follow_and_stop(connection, stack, workflow, run):
            connection.client("stepfunctions").stop_execution(executionArn=run.execution_arn, cause="power cut")
            return follow(connection, stack, workflow, run)

        monkeypatch.setattr(cli, "follow", follow_and_stop)
        result = hpc("run", file, "--project", project, "--lines-per-shard", "2", "-o", tmp_path / "out")
        assert result.exit_code == 1
        assert "its execution was stopped: power cut" in result.stdout
        assert list((tmp_path / "out").iterdir()) == []

    def test_an_interrupted_run_goes_on(self, file, project, tmp_path, monkeypatch):
        def interrupt(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(cli, "follow", interrupt)
        result = hpc("run", file, "--project", project, "--lines-per-shard", "2", "-o", tmp_path / "out")
        assert result.exit_code == 130
        (run,) = [run for run in json.loads(hpc("runs", "--json").stdout) if run["project"] == project]
        assert run["status"] == "PENDING"
        assert f"Run {run['run_id']} goes on without you. Watch it: " in result.stderr
        hpc("cancel", run["run_id"])

    def test_an_interrupt_before_the_watch_tells_that_the_run_goes_on(self, file, project, tmp_path, monkeypatch):
        def interrupt(*_):
            raise KeyboardInterrupt

        # Submitting describes the stack by this function too, so it is only replaced once the run is started.
        submit_file, describe = cli.file_submission.submit_file, cli.stack.describe

        def submit_and_interrupt(*args, **settings):
            submitted = submit_file(*args, **settings)
            monkeypatch.setattr(cli.stack, "describe", interrupt)
            return submitted

        monkeypatch.setattr(cli.file_submission, "submit_file", submit_and_interrupt)
        result = hpc("run", file, "--project", project, "--lines-per-shard", "2", "-o", tmp_path / "out")
        monkeypatch.setattr(cli.stack, "describe", describe)
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
    def test_results_that_cannot_be_fetched(self, file, project, tmp_path, monkeypatch, error):
        def refuse(*_):
            raise error

        monkeypatch.setattr(cli, "_watch", lambda *args: Run(**{**vars(args[-1]), "status": "SUCCEEDED"}))
        monkeypatch.setattr(cli.run_results, "fetch", refuse)
        result = hpc("run", file, "--project", project, "--lines-per-shard", "2", "-o", tmp_path / "out")
        assert (result.exit_code, result.stdout) == (getattr(error, "exit_code", 1), "")
        (run_id,) = re.findall(r"^Run (\S+) of workflow", result.stderr, re.MULTILINE)
        hpc("cancel", run_id)
        assert (
            f"\nError: {error}\nRun {run_id} SUCCEEDED, only its results were not fetched; fetch them: "
            in result.stderr
        )
        assert result.stderr.endswith(f"hpc results {run_id} -o DIR\n")

    def test_a_stack_in_an_account(self, monkeypatch, platform_state, submitted):
        monkeypatch.setattr(connecting.platform, "running", lambda: None)
        for name, value in {
            "AWS_ENDPOINT_URL": platform_state.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": platform_state.region,
            "AWS_DEFAULT_REGION": platform_state.region,
        }.items():
            monkeypatch.setenv(name, value)
        result = hpc("--stack", platform_state.stack_name, "runs", "--json")
        assert result.exit_code == 0, result.output
        assert submitted in [run["run_id"] for run in json.loads(result.stdout)]
        missing = hpc("--stack", "Production-none", "runs")
        assert missing.exit_code == 3
        assert missing.stderr == (
            "Error: Stack Production-none: found none of that name; deploy it: cdk deploy Production-none\n"
        )


@pytest.mark.usefixtures("platform_is_up")
def test_a_cancelled_run_is_resumed(connection, stack, project, tmp_path):
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


@pytest.mark.usefixtures("platform_is_up")
def test_doctor_prints_what_was_checked_and_nothing_found_is_0(connection, stack):
    result = hpc("doctor")
    assert result.exit_code == 0, result.stdout
    lines = [line.split(maxsplit=3) for line in result.stdout.splitlines()]
    assert [part.strip() for part in lines[0]] == ["CHECKED", "RESULT", "WHY,", "AND WHAT TO DO"]
    # The tests' stack has neither instance types, subnets, quotas, a topic, nor the images of its four jobs.
    assert result.stderr == "Nothing found, 8 checks could not be made\n"
    assert {line["status"] for line in json.loads(hpc("doctor", "--json").stdout)} == {"ok", "unknown"}


@pytest.mark.usefixtures("platform_is_up")
def test_doctor_of_a_run_says_what_it_found_and_ends_with_1(connection, make_run, project):
    key = "uploads/archived-since.txt"
    connection.client("s3").put_object(Bucket="data-bucket", Key=key, Body=b"a", StorageClass="GLACIER")
    given = {"ProjectNo": project, "INPUT_BUCKET": "data-bucket", "INPUT_KEY": key, "SPLIT_NUM": 1}
    run = make_run(parameters={**given, "OUTPUT_BUCKET": "data-bucket", "architecture": "x86"}, status="CANCELLED")
    result = hpc("doctor", run.run_id)
    assert result.exit_code == 1
    assert "it is over (CANCELLED), nothing of it waits" in result.stdout
    assert f"'s3://data-bucket/{key}': found it archived in Glacier Flexible Retrieval" in result.stdout
    assert "-> Restore it, and submit again" in result.stdout
    assert result.stderr.startswith("1 finding, ")
