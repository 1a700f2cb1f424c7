"""What a job finds around it, what becomes of its output, and that nothing of it is left."""

import sys
import time
from pathlib import Path

import pytest

from hpc.local.batch.attempt import image_folder
from hpc.local.batch.process import ProcessRequest, ProcessResult, run_process

BASE_VARIABLES = {
    "PATH", "PYTHONPATH", "HOME", "TMPDIR", "LANG", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL",
    "AWS_BATCH_JOB_ID", "AWS_BATCH_JOB_ATTEMPT", "AWS_BATCH_JQ_NAME", "AWS_BATCH_CE_NAME",
}  # fmt: skip


def printed_environment(batch, job):
    return dict(line.split("=", 1) for line in batch.log(job["container"]))


def pid_of(batch, job_id):
    """The number that a job printed first."""
    deadline = time.monotonic() + 10
    while True:
        lines = batch.log(batch.wait(job_id, ("RUNNING", "SUCCEEDED", "FAILED"))["container"])
        if lines:
            return int(lines[0])
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_environment_is_clean(batch, monkeypatch):
    # Given a host with a secret, credentials and a home of its own
    monkeypatch.setenv("MY_SECRET", "do not tell")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA-of-the-host")
    monkeypatch.setenv("AWS_PROFILE", "host")
    # When a job without a role prints what it sees
    job = batch.run("env", container={"environment": [{"name": "IMAGE", "value": "x"}]})
    seen = printed_environment(batch, job)
    # Then
    assert set(seen) == BASE_VARIABLES | {"IMAGE", "AWS_EC2_METADATA_DISABLED"}
    assert seen["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert seen["PYTHONPATH"] == str(batch.jobs_dir)
    assert seen["HOME"] == "/nonexistent"
    assert (seen["LANG"], seen["AWS_ENDPOINT_URL"]) == ("C.UTF-8", "http://127.0.0.1:4566")
    assert seen["AWS_REGION"] == seen["AWS_DEFAULT_REGION"] == "eu-central-1"
    assert (seen["AWS_BATCH_JOB_ID"], seen["AWS_BATCH_JOB_ATTEMPT"]) == (job["jobId"], "1")


def test_a_job_has_the_credentials_of_its_role_for_each_attempt(batch):
    role = "arn:aws:iam::123456789012:role/job"
    job = batch.run("sh", "-c", "env; exit 1", container={"jobRoleArn": role}, retryStrategy={"attempts": 2})
    assert printed_environment(batch, job)["AWS_SESSION_TOKEN"] == "token"
    assert batch.host.sessions == [(role, job["jobId"])] * 2
    assert job["container"]["jobRoleArn"] == role


def test_a_role_that_cannot_be_assumed_fails_the_attempt_with_the_reason(batch):
    batch.host.role_error = PermissionError("no trust in this service")
    job = batch.run("true", container={"jobRoleArn": "arn:aws:iam::123456789012:role/job"})
    assert job["status"] == "FAILED"
    assert "unable to assume the role 'arn:aws:iam::123456789012:role/job'" in job["statusReason"]
    assert "no trust in this service" in job["statusReason"]
    assert "exitCode" not in job["container"]


def test_python_is_the_platform_s_and_finds_the_jobs_code(batch):
    module = batch.jobs_dir / "work" / "__main__.py"
    module.write_text("import os, sys; print(sys.executable); print(os.getcwd() == os.environ['TMPDIR'])")
    for word in ("python", "python3"):
        job = batch.run(word, "-m", "work")
        assert batch.log(job["container"]) == [str(Path(sys.executable).parent / word), "True"]


def test_stdout_and_stderr_are_one_log_in_order(batch):
    script = "for i in $(seq 500); do echo out $i; echo err $i >&2; done; printf 'no end'"
    job = batch.run("sh", "-c", script)
    expected = [f"{kind} {number}" for number in range(1, 501) for kind in ("out", "err")] + ["no end"]
    assert batch.log(job["container"]) == expected
    stamps = [stamp for stamp, _ in batch.host.logs["/aws/batch/job", job["container"]["logStreamName"]]]
    assert stamps == sorted(stamps)
    assert job["createdAt"] <= stamps[0] <= stamps[-1] <= job["stoppedAt"]


def test_a_log_group_and_prefix_of_the_definition_are_used(batch):
    options = {"awslogs-group": "/hpc/jobs", "awslogs-stream-prefix": "mine"}
    job = batch.run("echo", "x", container={"logConfiguration": {"logDriver": "awslogs", "options": options}})
    assert job["container"]["logStreamName"].startswith("mine/default/")
    assert batch.log(job["container"], "/hpc/jobs") == ["x"]


def test_a_log_that_is_not_taken_does_not_fail_the_job(batch, caplog):
    def refuse(*_):
        raise OSError("no room for logs")

    batch.host.log_sink = refuse
    batch.service = batch.new_service()
    batch.add_queue()
    assert batch.run("echo", "x")["status"] == "SUCCEEDED"
    assert "1 log lines" in caplog.text
    batch.service.stop()


def test_output_comes_while_the_job_runs(batch):
    job_id = batch.submit(batch.define("work", "sh", "-c", "echo $$; sleep 60"))
    assert pid_of(batch, job_id) > 1
    assert batch.describe(job_id)["status"] == "RUNNING"


def test_the_scratch_folder_is_gone_whatever_the_job_left_in_it(batch):
    script = "mkdir -p a/b; echo x > a/b/c; chmod 0 a/b/c; chmod 0 a/b; pwd"
    job = batch.run("sh", "-c", script)
    [folder] = batch.log(job["container"])
    assert folder.startswith(str(batch.scratch_dir))
    assert list(batch.scratch_dir.iterdir()) == []


def test_an_image_without_a_folder_cannot_be_pulled(batch):
    job = batch.run("true", image="123456789012.dkr.ecr.eu-central-1.amazonaws.com/batch_abc/other:latest")
    assert (job["status"], job["statusReason"]) == ("FAILED", "Task failed to start")
    assert job["container"]["reason"].startswith("CannotPullContainerError: ")
    assert "no folder BatchJob/other" in job["container"]["reason"]
    assert "exitCode" not in job["container"]
    assert "startedAt" not in job
    assert [event["status"] for event in batch.host.events if event["jobId"] == job["jobId"]][:2] == [
        "RUNNABLE",
        "STARTING",
    ]


@pytest.mark.parametrize(
    ("image", "folder"),
    [
        ("1.dkr.ecr.eu-central-1.amazonaws.com/batch_abc/string_split:latest", "string_split"),
        ("1.dkr.ecr.eu-central-1.amazonaws.com/batch_abc/string_split@sha256:abcd", "string_split"),
        ("localhost:5000/string_split", "string_split"),
        ("string_split:1@sha256:abcd", "string_split"),
        ("string_split", "string_split"),
        ("batch_abc/..", None),
        ("batch_abc/", None),
        ("", None),
    ],
)
def test_an_image_s_folder_is_the_last_part_of_its_repository(image, folder):
    assert image_folder(image) == folder


@pytest.mark.parametrize(("command", "exit_code"), [("no-such-command", 127), ("/etc/passwd", 126)])
def test_a_command_that_cannot_be_started(batch, command, exit_code):
    job = batch.run(command)
    assert (job["status"], job["statusReason"]) == ("FAILED", "Task failed to start")
    assert job["container"]["exitCode"] == exit_code
    assert job["container"]["reason"].startswith(
        f'CannotStartContainerError: failed to start container process: exec: "{command}"'
    )
    assert list(batch.scratch_dir.iterdir()) == []


def test_a_signal_is_128_and_its_number(batch):
    assert batch.run("sh", "-c", "kill -9 $$")["container"]["exitCode"] == 137


def test_a_timeout_ends_the_attempt_and_is_not_retried(batch):
    # Given a job with a timeout of 60 seconds, shortened for the test
    batch.set_faults({"job_name": "*", "action": "timeout_s", "seconds": 0.4})
    job = batch.run(
        "sh", "-c", "echo begin; sleep 60", timeout={"attemptDurationSeconds": 60}, retryStrategy={"attempts": 3}
    )
    # Then
    assert (job["status"], job["statusReason"]) == ("FAILED", "Job attempt duration exceeded timeout")
    assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [143]
    assert 400 <= job["stoppedAt"] - job["startedAt"] < 5000
    assert job["timeout"] == {"attemptDurationSeconds": 60}
    assert batch.log(job["container"]) == ["begin"]


def test_the_timeout_of_the_submission_wins(batch):
    definition = batch.define("work", "true", timeout={"attemptDurationSeconds": 60})
    assert batch.wait(batch.submit(definition))["timeout"] == {"attemptDurationSeconds": 60}
    longer = batch.submit(definition, timeout={"attemptDurationSeconds": 90})
    assert batch.wait(longer)["timeout"] == {"attemptDurationSeconds": 90}


def test_a_job_may_clean_up_at_sigterm_and_has_still_failed(batch):
    job_id = batch.submit(
        batch.define("work", "sh", "-c", "trap 'echo cleaned; exit 0' TERM; echo $$; sleep 60 & wait")
    )
    pid_of(batch, job_id)
    batch.client.terminate_job(jobId=job_id, reason="stop")
    job = batch.wait(job_id)
    assert (job["status"], job["statusReason"], job["container"]["exitCode"]) == ("FAILED", "stop", 0)
    assert batch.log(job["container"])[1:] == ["cleaned"]


def test_a_job_that_ignores_sigterm_is_killed_after_the_grace(new_batch):
    batch = new_batch(kill_grace_s=0.4)
    job_id = batch.submit(batch.define("work", "sh", "-c", "trap '' TERM; echo $$; while :; do sleep 0.05; done"))
    pid_of(batch, job_id)
    batch.client.terminate_job(jobId=job_id, reason="stop")
    assert batch.wait(job_id)["container"]["exitCode"] == 137


def test_terminate_ends_grandchildren_too(batch, is_alive):
    job_id = batch.submit(batch.define("work", "sh", "-c", "(sh -c 'echo $$; exec sleep 60') & wait"))
    grandchild = pid_of(batch, job_id)
    assert is_alive(grandchild)
    batch.client.terminate_job(jobId=job_id, reason="stop")
    batch.wait(job_id)
    assert not is_alive(grandchild)


@pytest.mark.parametrize("prefix", ["", "setsid "], ids=["same group", "own session"])
def test_what_a_job_leaves_behind_ends_with_it(batch, is_alive, prefix):
    if prefix and not Path("/proc").is_dir():
        prefix = ""
    job_id = batch.submit(batch.define("work", "sh", "-c", f"{prefix}sh -c 'echo $$; exec sleep 60' & sleep 0.3"))
    left = pid_of(batch, job_id)
    job = batch.wait(job_id)
    assert job["status"] == "SUCCEEDED"
    assert job["stoppedAt"] - job["startedAt"] < 5000
    assert not is_alive(left)


def test_the_process_group_ends_with_the_process_where_there_is_no_proc(tmp_path, is_alive):
    output = []
    request = ProcessRequest(
        command=["sh", "-c", "sh -c 'echo $$; exec sleep 60' & sleep 0.2"],
        environment={"PATH": "/usr/bin:/bin"},
        folder=tmp_path,
        timeout_s=None,
        kill_grace_s=1,
    )
    result = run_process(
        request, on_started=lambda: None, on_output=output.append, on_tick=lambda: None, should_stop=lambda: False
    )
    assert result == ProcessResult(exit_code=0)
    assert not is_alive(int(b"".join(output)))


def test_a_job_that_closes_its_output_is_still_waited_for(batch):
    job = batch.run("sh", "-c", "exec >&- 2>&-; sleep 0.3; exit 5")
    assert job["container"]["exitCode"] == 5
    assert job["stoppedAt"] - job["startedAt"] >= 300


def test_no_open_files_are_left_behind(batch):
    def open_files():
        return len(list(Path("/dev/fd").iterdir()))

    batch.run("true")
    before = open_files()
    for _ in range(5):
        batch.run("sh", "-c", "echo x; exit 1")
    assert open_files() <= before + 2
