"""Fault switches: each action, how often it hits, and what a broken file does."""

import pytest

from hpc.local.batch.faults import Fault, FaultsFileError, FaultSwitches


def test_no_file_means_no_faults(batch):
    assert FaultSwitches(None).for_attempt("job") == Fault()
    assert batch.run("true")["status"] == "SUCCEEDED"


def test_exit_ends_the_attempt_without_running_the_command(batch):
    batch.set_faults({"job_name": "job", "action": "exit", "exit_code": 2})
    job = batch.run("echo", "ran")
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 2)
    assert job["statusReason"] == "Essential container in task exited"
    assert batch.log(job["container"]) == ["Fault switch: exit instead of the command"]


def test_times_counts_attempts_of_all_jobs_that_the_name_matches(batch):
    batch.set_faults({"job_name": "run-*", "times": 3, "action": "exit", "exit_code": 1})
    definition = batch.define("work", "true", retryStrategy={"attempts": 2})
    codes = []
    for name in ("run-1", "other", "run-2", "run-3"):
        job = batch.wait(batch.submit(definition, name))
        codes.append([attempt["container"]["exitCode"] for attempt in job["attempts"]])
    assert codes == [[1, 1], [0], [1, 0], [0]]


def test_attempts_is_another_word_for_times(batch):
    batch.set_faults({"job_name": "*", "attempts": "all", "action": "exit", "exit_code": 7})
    definition = batch.define("work", "true", retryStrategy={"attempts": 3})
    job = batch.wait(batch.submit(definition))
    assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [7, 7, 7]


def test_hang_waits_for_a_timeout_or_a_terminate(batch):
    batch.set_faults(
        {"job_name": "late", "action": "hang"}, {"job_name": "late", "action": "timeout_s", "seconds": 0.2}
    )
    definition = batch.define("work", "true")
    assert batch.wait(batch.submit(definition, "late"))["statusReason"] == "Job attempt duration exceeded timeout"
    batch.set_faults({"job_name": "late", "action": "hang"})
    job_id = batch.submit(definition, "late")
    batch.wait(job_id, ("RUNNING",))
    batch.client.terminate_job(jobId=job_id, reason="stop")
    assert batch.wait(job_id)["statusReason"] == "stop"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        '["x"]',
        '[{"job_name": "*"}]',
        '[{"job_name": "*", "action": "explode"}]',
        '[{"job_name": "*", "action": "exit", "time": 1}]',
        '[{"job_name": "*", "action": "timeout_s"}]',
        '[{"job_name": "*", "action": "exit", "times": "often"}]',
    ],
)
def test_a_broken_file_is_named(tmp_path, text):
    file = tmp_path / "faults.json"
    file.write_text(text)
    with pytest.raises(FaultsFileError, match=r"faults\.json"):
        FaultSwitches(file).for_attempt("job")


def test_a_broken_file_fails_the_attempt_with_the_reason(batch):
    batch.faults_file.write_text("{")
    job = batch.run("true")
    assert job["status"] == "FAILED"
    assert job["container"]["reason"].startswith("FaultsFileError: ")
