"""Commands that look at the platform and at runs, against the emulator."""

import json
from dataclasses import replace

import pytest

from hpc import connecting
from hpc.local import platform
from tests.test_hpc.test_commands.conftest import hpc, take_for_an_account

RUN_ID = "20260131-093000-1a2b3c"

pytestmark = pytest.mark.usefixtures("platform_is_up")


def test_up(platform_state, monkeypatch):
    result = hpc("up")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"Platform: {platform_state.endpoint_url} (process {platform_state.pid}), its data in {platform_state.data_dir}"
    ]
    assert "The page does not answer; " in result.stderr
    with_page = replace(platform_state, web_url="http://127.0.0.1:8080")
    monkeypatch.setattr(platform, "up", lambda **_: with_page)
    assert hpc("up").stdout.splitlines()[1] == "Page: http://127.0.0.1:8080"


def test_where_the_api_answers(api):
    assert f"export HPC_API_URL={api}" in hpc("env").stdout.splitlines()
    assert json.loads(hpc("show", "--platform", "--json").stdout)["api_url"] == api


def test_jobs_of_groups_are_shown_beside_the_tasks(connection, stack, submitted):
    job = {"status": "SUCCEEDED", "queue": "q", "created_at": "2026-01-31T09:30:00.000Z", "attempts": []}
    row = {"pk": f"RUN#{submitted}", "sk": "TASK#String_Repeat_Group#000000", "state": "String_Repeat_Group"}
    connection.table(stack.run_table).put_item(Item={**row, "index": 0, "job:1:array-1": job})
    shown = json.loads(hpc("show", submitted, "--json").stdout)
    assert shown["groups"] == [{"state": "String_Repeat_Group", "index": 0, "jobs": [{"job_id": "array-1", **job}]}]
    assert all(task["jobs"] == [] for task in shown["tasks"])


def test_the_platform_for_scripts(platform_state):
    result = hpc("show", "--platform", "--json")
    assert json.loads(result.stdout) == {
        "pid": platform_state.pid,
        "endpoint_url": platform_state.endpoint_url,
        "web_url": None,
        "data_dir": platform_state.data_dir,
        "api_url": None,
    }
    assert "web_url: none yet" in hpc("show", "--platform").stdout


def test_the_environment_is_safe_for_a_shell(platform_state):
    lines = hpc("env").stdout.splitlines()
    assert f"export AWS_ENDPOINT_URL={platform_state.endpoint_url}" in lines
    assert {line.split("=")[0] for line in lines[1:]} == {
        "export AWS_ENDPOINT_URL",
        "export AWS_ACCESS_KEY_ID",
        "export AWS_SECRET_ACCESS_KEY",
        "export AWS_REGION",
        "export AWS_DEFAULT_REGION",
    }


def test_a_submitted_run_is_listed_and_shown(submitted, project):
    (listed,) = [run for run in json.loads(hpc("runs", "--json").stdout) if run["run_id"] == submitted]
    assert listed | {"workflow": "string_processing", "project": project, "status": "PENDING"} == listed
    assert listed["created_at"].endswith("Z")
    assert submitted in hpc("runs").stdout

    shown = json.loads(hpc("show", submitted, "--json").stdout)
    tasks = shown.pop("tasks")
    assert shown.pop("groups") == []
    assert shown == listed
    assert [f"{task['state']}-{task['index']}" for task in tasks][:3] == [
        "String_Split-0",
        "String_Repeat-0",
        "String_Repeat-1",
    ]
    assert {task["status"] for task in tasks} == {"PENDING"}
    assert f"Run {submitted}  PENDING  String processing, project {project}" in hpc("show", submitted).stdout


def test_an_unknown_run():
    for command in (["show"], ["logs"], ["cancel"], ["results", "-o", "x"]):
        result = hpc(*command, RUN_ID)
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"RUN: found no run '{RUN_ID}'; expected one of those that this lists: hpc runs" in result.stderr


def test_a_run_of_a_workflow_that_is_no_longer_there(make_run):
    result = hpc("show", make_run(workflow="gone", status="SUCCEEDED").run_id)
    assert result.exit_code == 2
    assert "found workflow 'gone'; expected one of the folders in workflows/: string_processing" in result.stderr


def test_logs(submitted, submit_job, wait_for):
    wait_for(submit_job(submitted, "String_Split-0", "echo 'found 3 lines'"))
    result = hpc("logs", submitted, "String_Split")
    assert result.exit_code == 0
    heading, *lines = result.stdout.splitlines()
    assert heading.startswith("=== String_Split-0 attempt 1 of 1, SUCCEEDED (/aws/batch/job ")
    assert lines == ["started", "found 3 lines"]
    assert hpc("logs", submitted, "nothing").exit_code == 2
    connecting.connect().client("stepfunctions").stop_execution(
        executionArn=f"arn:aws:states:us-east-1:000000000000:execution:string_processing:{submitted}-1"
    )


def test_a_stack_in_an_account(monkeypatch, platform_state, submitted):
    take_for_an_account(monkeypatch, platform_state)
    result = hpc("--stack", platform_state.stack_name, "runs", "--json")
    assert result.exit_code == 0, result.output
    assert submitted in [run["run_id"] for run in json.loads(result.stdout)]
    missing = hpc("--stack", "Production-none", "runs")
    assert missing.exit_code == 3
    assert missing.stderr == (
        "Error: Stack Production-none: found none of that name; deploy it: cdk deploy Production-none\n"
    )


def test_doctor_prints_what_was_checked_and_nothing_found_is_0(connection, stack):
    result = hpc("doctor")
    assert result.exit_code == 0, result.stdout
    lines = [line.split(maxsplit=3) for line in result.stdout.splitlines()]
    assert [part.strip() for part in lines[0]] == ["CHECKED", "RESULT", "WHY,", "AND WHAT TO DO"]
    # The tests' stack has neither instance types, subnets, quotas, a topic, nor the images of its four jobs.
    assert result.stderr == "Nothing found, 8 checks could not be made\n"
    assert {line["status"] for line in json.loads(hpc("doctor", "--json").stdout)} == {"ok", "unknown"}


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
