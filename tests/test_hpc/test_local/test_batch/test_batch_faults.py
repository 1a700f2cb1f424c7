"""Fault switches: each action, how often it hits, and what a broken file does."""

import json
import threading

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
        '[{"job_name": "*", "action": "exit", "rate": 1.5}]',
        '[{"job_name": "*", "action": "exit", "rate": "half"}]',
        '[{"job_name": "*", "action": "exit", "seed": "x"}]',
        '[{"job_name": "*", "action": "exit", "after_s": 1}]',
        '[{"job_name": "*", "action": "reclaim", "after_s": -1}]',
        '[{"job_name": "*", "action": "throttle"}]',
        '[{"call": "*", "action": "reclaim"}]',
        '[{"call": "*", "action": "slow"}]',
        '[{"job_name": 1, "action": "exit"}]',
        '[{"job_name": "*", "action": ["exit"]}]',
    ],
)
def test_a_broken_file_is_named(tmp_path, text):
    file = tmp_path / "faults.json"
    file.write_text(text)
    with pytest.raises(FaultsFileError, match=r"faults\.json"):
        FaultSwitches(file).for_attempt("job")


def hits_of(entry, labels, tmp_path):
    file = tmp_path / "faults.json"
    file.write_text(json.dumps([entry]))
    switches = FaultSwitches(file)
    return {(label, n) for label in labels for n in (1, 2) if switches.for_attempt(label, n).action is not None}


def test_a_rate_hits_its_part_and_the_same_part_again(tmp_path):
    labels = [f"run-{number}" for number in range(1000)]
    entry = {"job_name": "*", "action": "reclaim", "rate": 0.2, "seed": 7}
    first = hits_of(entry, labels, tmp_path)
    assert 320 < len(first) < 480
    assert first == hits_of(entry, labels, tmp_path)
    other = hits_of({**entry, "seed": 8}, labels, tmp_path)
    assert 320 < len(other) < 480
    assert len(first & other) < 150
    # A second attempt is drawn anew, and the ends of the scale are never and always
    assert {label for label, number in first if number == 1} != {label for label, number in first if number == 2}
    assert hits_of({**entry, "rate": 0}, labels, tmp_path) == set()
    assert len(hits_of({**entry, "rate": 1}, labels, tmp_path)) == 2000


def test_a_rate_with_times_hits_no_more_than_that(tmp_path):
    labels = [f"run-{number}" for number in range(100)]
    assert len(hits_of({"job_name": "*", "action": "exit", "rate": 0.5, "times": 10}, labels, tmp_path)) == 10


def test_a_child_answers_to_its_array_s_name_and_to_its_own(tmp_path):
    labels = ["many:0", "many:1", "other:1"]
    for pattern, count in (("many", 4), ("many:1", 2), ("*:1", 4), ("many:*", 4), ("other", 2), ("man", 0)):
        assert len(hits_of({"job_name": pattern, "action": "exit"}, labels, tmp_path)) == count


def test_a_change_of_the_file_counts_at_once(tmp_path):
    file = tmp_path / "faults.json"
    switches = FaultSwitches(file)
    for number in range(1, 30):
        file.write_text(json.dumps([{"job_name": "*", "action": "exit", "exit_code": 10 + number}]))
        assert switches.for_attempt("job").exit_code == 10 + number
    file.unlink()
    assert switches.for_attempt("job") == Fault()


def test_a_file_that_is_being_written_is_read_again(tmp_path):
    file = tmp_path / "faults.json"
    file.write_text("")
    switches = FaultSwitches(file)
    written = threading.Timer(0.005, file.write_text, ('[{"job_name": "*", "action": "hang"}]',))
    written.start()
    assert switches.for_attempt("job").action == "hang"
    written.join()


def test_a_broken_file_fails_the_attempt_with_the_reason(batch):
    batch.faults_file.write_text("{")
    job = batch.run("true")
    assert job["status"] == "FAILED"
    assert job["container"]["reason"].startswith("FaultsFileError: ")
