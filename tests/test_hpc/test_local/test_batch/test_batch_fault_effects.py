"""What each fault switch makes of attempts, waiting jobs, events and calls: the words are AWS's."""

import re
import time

import pytest
from botocore.exceptions import ClientError

from hpc.local.batch import BatchError

EXITED = "Essential container in task exited"
CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
REQUIREMENT = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT"
RECLAIMED = r"Host EC2 \(instance i-[0-9a-f]{17}\) terminated\."
RETRY_RECLAIM = {
    "attempts": 3,
    "evaluateOnExit": [{"onStatusReason": "Host EC2*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}],
}


def limit(reason, seconds=600):
    return {"reason": reason, "state": "RUNNABLE", "maxTimeSeconds": seconds, "action": "CANCEL"}


def test_reclaim_in_mid_run_kills_the_command_that_has_begun_to_write(batch, tmp_path):
    # Given a job that writes, and cleans up when it is asked to end
    script = (
        f'trap "echo asked > {tmp_path}/asked" TERM; echo half > {tmp_path}/out; sleep 60; echo whole > {tmp_path}/out'
    )
    batch.set_faults({"job_name": "job", "action": "reclaim", "after_s": 0.3, "times": 1})
    job_id = batch.submit(batch.define("work", "sh", "-c", script))
    # When its instance is taken away
    job = batch.wait(job_id)
    # Then it has ended in the middle, without being asked
    assert re.fullmatch(RECLAIMED, job["statusReason"])
    assert "exitCode" not in job["container"]
    assert 200 < job["stoppedAt"] - job["startedAt"] < 5000
    assert (tmp_path / "out").read_text() == "half\n"
    assert not (tmp_path / "asked").exists()


def test_reclaim_is_retried_and_the_next_attempt_runs(batch):
    batch.set_faults({"job_name": "job", "action": "reclaim", "after_s": 0.1, "times": 1})
    job = batch.run("sleep", "0.5", retryStrategy=RETRY_RECLAIM)
    assert (job["status"], len(job["attempts"])) == ("SUCCEEDED", 2)
    assert re.fullmatch(RECLAIMED, job["attempts"][0]["statusReason"])


def test_reclaim_comes_too_late_for_a_job_that_has_ended(batch):
    batch.set_faults({"job_name": "job", "action": "reclaim", "after_s": 5})
    job = batch.run("echo", "quick")
    assert (job["status"], len(job["attempts"]), batch.log(job["container"])) == ("SUCCEEDED", 1, ["quick"])


def test_a_terminated_job_stays_terminated_whatever_the_switch_would_do(batch):
    batch.set_faults({"job_name": "job", "action": "reclaim", "after_s": 60})
    job_id = batch.submit(batch.define("work", "sleep", "60", retryStrategy=RETRY_RECLAIM))
    batch.wait(job_id, ("RUNNING",))
    batch.client.terminate_job(jobId=job_id, reason="stop")
    assert batch.wait(job_id)["statusReason"] == "stop"


@pytest.mark.usefixtures("instant_commands")
def test_a_fifth_of_reclaims_is_survived_with_retries(new_batch):
    # Given 20 % of attempts reclaimed, and ten tries
    batch = new_batch(vcpus=8)
    batch.set_faults({"job_name": "*", "action": "reclaim", "rate": 0.2, "seed": 3})
    definition = batch.define("work", "true", retryStrategy={**RETRY_RECLAIM, "attempts": 10})
    job_id = batch.submit(definition, arrayProperties={"size": 200})
    # Then every child has one success and otherwise only reclaims
    assert batch.wait(job_id)["status"] == "SUCCEEDED"
    tries = []
    for index in range(200):
        reasons = [attempt["statusReason"] for attempt in batch.describe(f"{job_id}:{index}")["attempts"]]
        assert reasons[-1] == EXITED
        assert all(re.fullmatch(RECLAIMED, reason) for reason in reasons[:-1])
        tries.append(len(reasons))
    assert 210 < sum(tries) < 300


@pytest.mark.parametrize("more", [{}, {"after_s": 0.2}])
def test_out_of_memory(batch, more):
    batch.set_faults({"job_name": "job", "action": "out_of_memory", **more})
    job = batch.run("sleep", "60")
    assert (job["status"], job["statusReason"], job["container"]["exitCode"]) == ("FAILED", EXITED, 137)
    assert job["container"]["reason"] == "OutOfMemoryError: Container killed due to memory usage"


def test_killed_in_mid_run(batch):
    batch.set_faults({"job_name": "job", "action": "killed", "after_s": 0.3})
    job = batch.run("sh", "-c", "echo begun; sleep 60; echo done")
    assert (job["status"], job["statusReason"], job["container"]["exitCode"]) == ("FAILED", EXITED, 137)
    assert "reason" not in job["container"]
    assert batch.log(job["container"]) == ["begun"]


def test_killed_at_once_without_a_delay(batch):
    batch.set_faults({"job_name": "job", "action": "killed"})
    assert batch.run("sleep", "60")["container"]["exitCode"] == 137


def test_an_image_that_cannot_be_pulled_is_a_reason_for_a_retry(batch):
    batch.set_faults({"job_name": "job", "action": "cannot_pull_image", "times": 1})
    rules = [{"onReason": "CannotPullContainerError:*", "action": "RETRY"}, {"onReason": "*", "action": "EXIT"}]
    job = batch.run("true", retryStrategy={"attempts": 2, "evaluateOnExit": rules})
    first, second = job["attempts"]
    assert first["statusReason"] == "Task failed to start"
    assert first["container"]["reason"].startswith("CannotPullContainerError: ")
    assert not first["container"].keys() & {"exitCode", "logStreamName"}
    assert "startedAt" not in first
    assert (job["status"], second["container"]["exitCode"]) == ("SUCCEEDED", 0)


def test_a_full_disk_fails_writes_but_not_output(batch):
    batch.set_faults({"job_name": "job", "action": "disk_full"})
    job = batch.run("sh", "-c", "echo before; echo x > file && echo written; echo after; exit 3")
    log = batch.log(job["container"])
    assert (log[0], log[-1], job["container"]["exitCode"]) == ("before", "after", 3)
    assert "written" not in log


def test_a_disk_fills_up_in_the_middle_of_a_file(batch):
    batch.set_faults({"job_name": "job", "action": "disk_full", "bytes": 8192})
    script = "import os\ntry: open('f', 'wb').write(b'x' * 100_000)\nfinally: print(os.path.getsize('f'), flush=True)"
    job = batch.run("python", "-c", script)
    log = batch.log(job["container"])
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 1)
    assert "8192" in log
    assert log[-1].startswith("OSError: [Errno 27] File too large")


def test_a_lost_log_stream_is_named_and_the_job_goes_on(batch):
    batch.set_faults({"job_name": "job", "action": "no_log_stream"})
    job = batch.run("echo", "x")
    assert job["status"] == "SUCCEEDED"
    assert job["container"]["logStreamName"].startswith("work/default/")
    assert batch.host.logs == {}


@pytest.mark.parametrize(("more", "reason"), [({}, CAPACITY), ({"reason": REQUIREMENT}, REQUIREMENT)])
def test_a_stuck_job_blocks_its_queue_until_the_queue_s_time_limit(batch, more, reason):
    # Given a queue with a time limit for the reason, and another queue
    batch.add_queue("limited", jobStateTimeLimitActions=[limit(CAPACITY), limit(REQUIREMENT)])
    batch.set_faults({"job_name": "stuck", "action": "stuck_runnable", "time_limit_s": 0.5, **more})
    definition = batch.define("work", "true")
    stuck = batch.submit(definition, "stuck", "limited")
    behind, elsewhere = batch.submit(definition, "behind", "limited"), batch.submit(definition, "elsewhere")
    # Then it waits, with those behind it alone
    assert batch.wait(elsewhere)["status"] == "SUCCEEDED"
    waiting = batch.describe(stuck)
    assert (waiting["status"], waiting["statusReason"].startswith(f"{reason} - ")) == ("RUNNABLE", True)
    assert batch.describe(behind)["status"] == "RUNNABLE"
    # Until the limit
    job = batch.wait(stuck)
    assert (job["status"], job["isCancelled"], job["attempts"]) == ("FAILED", True, [])
    assert job["statusReason"] == f"Canceled by JobStateTimeLimit action due to reason: {reason}"
    assert batch.wait(behind)["status"] == "SUCCEEDED"


def test_a_stuck_job_runs_when_the_switch_is_gone(batch):
    batch.set_faults({"job_name": "stuck", "action": "stuck_runnable", "times": 1})
    definition = batch.define("work", "true")
    stuck = batch.submit(definition, "stuck")
    time.sleep(0.6)  # longer than until the next look: it counts as one hit
    assert batch.describe(stuck)["status"] == "RUNNABLE"
    batch.set_faults()
    assert batch.wait(stuck)["status"] == "SUCCEEDED"


def test_a_stuck_job_can_be_terminated(batch):
    batch.set_faults({"job_name": "stuck", "action": "stuck_runnable"})
    definition = batch.define("work", "true")
    stuck, behind = batch.submit(definition, "stuck"), batch.submit(definition, "behind")
    batch.client.terminate_job(jobId=stuck, reason="The state timed out")
    assert batch.wait(stuck)["statusReason"] == "The state timed out"
    assert batch.wait(behind)["status"] == "SUCCEEDED"


def told(batch):
    return [(event["jobName"], event["status"]) for event in batch.host.events]


def test_events_come_twice(batch):
    batch.set_faults({"job_name": "job", "action": "doubled_event", "status": "SUCCEEDED"})
    batch.run("true")
    batch.service.stop()
    assert told(batch) == [("job", status) for status in ("RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "SUCCEEDED")]


def test_a_lost_event_never_comes(batch):
    batch.set_faults(
        {"job_name": "job", "action": "lost_event", "status": "R*"},
        {"job_name": "job", "action": "doubled_event", "status": "RUNNING"},
    )
    batch.run("true")
    batch.service.stop()
    assert told(batch) == [("job", "STARTING"), ("job", "SUCCEEDED")]


def test_a_late_event_comes_after_later_ones_and_is_not_lost(batch):
    batch.set_faults({"job_name": "job", "action": "late_event", "seconds": 0.4, "status": "RUNNING"})
    batch.run("true")
    deadline = time.monotonic() + 10
    while len(batch.host.events) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert told(batch)[-2:] == [("job", "SUCCEEDED"), ("job", "RUNNING")]


def test_a_late_event_is_delivered_when_the_service_stops(batch):
    batch.set_faults({"job_name": "job", "action": "late_event", "seconds": 600})
    batch.run("true")
    assert told(batch) == []
    batch.service.stop()
    assert told(batch) == [("job", status) for status in ("RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED")]


def test_throttle_refuses_a_part_of_the_calls(batch):
    # Given every third call refused or so
    definition = batch.define("work", "true")
    batch.set_faults({"call": "SubmitJob", "action": "throttle", "rate": 0.3, "seed": 1})
    answers = []
    for _ in range(60):
        try:
            batch.submit(definition)
            answers.append(None)
        except ClientError as error:
            answers.append((error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]))
    assert set(answers) == {None, ("TooManyRequestsException", 429)}
    assert 8 < sum(answer is not None for answer in answers) < 30
    # A refused call has done nothing, and other calls go on
    names = [{"name": "JOB_NAME", "values": ["*"]}]
    assert len(batch.client.list_jobs(jobQueue="queue", filters=names)["jobSummaryList"]) == answers.count(None)


def test_throttle_has_the_name_in_step_functions_that_our_machines_retry(batch):
    batch.set_faults({"call": "SubmitJob", "action": "throttle"})
    with pytest.raises(BatchError) as refusal:
        batch.service.handle("SubmitJob", {})
    assert refusal.value.name_in_step_functions == "Batch.AWSBatchException"
    batch.set_faults()
    with pytest.raises(BatchError) as refusal:
        batch.service.handle("SubmitJob", {})
    assert refusal.value.name_in_step_functions == "Batch.ClientException"


def test_slow_answers_late_and_holds_up_nobody_else(batch):
    batch.set_faults({"call": "Describe*", "action": "slow", "seconds": 0.5, "times": 1})
    started = time.monotonic()
    batch.client.describe_job_queues()
    assert time.monotonic() - started >= 0.5
    started = time.monotonic()
    batch.client.describe_job_queues()
    assert time.monotonic() - started < 0.5
