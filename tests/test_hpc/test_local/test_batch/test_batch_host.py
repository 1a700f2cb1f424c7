"""What the service is to its host: waiting for jobs, state changes, stopping, and going on after a restart."""

import json
import threading
import time

import pytest

from hpc.local.batch import BatchError, JobWaitCancelled, JobWaitTimeout


def until(condition, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_wait_returns_the_job_when_it_is_final(batch):
    job_id = batch.submit(batch.define("work", "sh", "-c", "sleep 0.2; exit 3"))
    job = batch.service.wait(job_id, timeout_s=10)
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 3)
    assert batch.service.wait(job_id) == job == batch.describe(job_id)


def test_wait_ends_with_its_caller_and_ends_the_job(batch):
    job_id = batch.submit(batch.define("work", "sleep", "60"))
    asked = []
    started = time.monotonic()
    with pytest.raises(JobWaitCancelled):
        batch.service.wait(job_id, cancelled=lambda: asked.append(1) or len(asked) == 4)
    assert 0.5 < time.monotonic() - started < 3
    job = batch.wait(job_id)
    assert (job["status"], job["isTerminated"]) == ("FAILED", True)
    assert job["statusReason"] == "The execution that waits for the job was stopped"


def test_wait_has_a_timeout_that_ends_the_job(batch):
    job_id = batch.submit(batch.define("work", "sleep", "60"))
    with pytest.raises(JobWaitTimeout):
        batch.service.wait(job_id, timeout_s=0.3)
    assert batch.wait(job_id)["statusReason"] == "The state that waits for the job timed out after 0.3 s"


def test_many_wait_at_once(batch):
    definition = batch.define("work", "true")
    ended = []

    def run(number):
        ended.append(batch.service.wait(batch.submit(definition, f"job-{number}"), timeout_s=20)["status"])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended == ["SUCCEEDED"] * 30


def test_wait_for_an_unknown_job(batch):
    with pytest.raises(BatchError, match="Job x not found"):
        batch.service.wait("x")


def test_every_change_of_state_is_told_in_order(batch):
    definition = batch.define("work", "sh", "-c", 'test "$AWS_BATCH_JOB_ATTEMPT" = 2', retryStrategy={"attempts": 2})
    job_id = batch.submit(definition, tags={"run_id": "r"})
    job = batch.wait(job_id)
    until(lambda: batch.host.events and batch.host.events[-1]["status"] == "SUCCEEDED")
    events = batch.host.events
    assert [event["status"] for event in events] == [
        "RUNNABLE", "STARTING", "RUNNING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED",
    ]  # fmt: skip
    assert [len(event["attempts"]) for event in events] == [0, 0, 0, 1, 1, 1, 2]
    assert events[-1] == {**job, "tags": {"resourceArn": job["jobArn"], "run_id": "r"}}
    json.dumps(events)


def test_a_host_that_calls_back_or_raises_does_not_stop_the_events(batch, caplog):
    told = []

    def call_back(detail):
        told.append(batch.service.handle("DescribeJobs", {"jobs": [detail["jobId"]]})["jobs"][0]["status"])
        raise RuntimeError("the host is busy")

    batch.host.on_state_change = call_back
    batch.service = batch.new_service()
    batch.add_queue()
    batch.run("true")
    batch.service.stop()
    assert len(told) == 4
    assert "the host is busy" in caplog.text


def test_stop_ends_all_jobs_and_takes_no_more(new_batch, is_alive):
    # Given one job that runs and one that waits
    batch = new_batch(vcpus=1)
    definition = batch.define("work", "sh", "-c", "echo $$; exec sleep 60", retryStrategy={"attempts": 3})
    running, waiting = batch.submit(definition), batch.submit(definition)
    job = batch.wait(running, ("RUNNING",))
    until(lambda: batch.log(job["container"]))
    # When
    batch.service.stop()
    # Then both have failed, no process is left, somebody who waits is told, and nothing starts any more
    for job_id in (running, waiting):
        ended = batch.describe(job_id)
        assert (ended["status"], ended["statusReason"]) == ("FAILED", "The platform was stopped")
        assert batch.service.wait(job_id)["status"] == "FAILED"
    assert not is_alive(int(batch.log(job["container"])[0]))
    assert batch.host.events[-1]["status"] == "FAILED"
    with pytest.raises(BatchError, match="The platform is stopping") as refusal:
        batch.service.handle("SubmitJob", {"jobName": "x", "jobQueue": "queue", "jobDefinition": "work"})
    assert (refusal.value.code, refusal.value.status) == ("ServerException", 500)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batch-job")]
    batch.service.stop()


def test_a_restart_keeps_everything_but_fails_jobs_that_were_not_final(new_batch):
    # Given a done job, one that runs, one that waits, and a snapshot that went through JSON
    batch = new_batch(vcpus=1)
    done = batch.run("sh", "-c", "exit 0", retryStrategy={"attempts": 2}, tags={"x": "y"})
    definition = batch.define("work", "sleep", "60")
    running, waiting = batch.submit(definition, "running"), batch.submit(definition, "waiting")
    batch.wait(running, ("RUNNING",))
    snapshot = json.loads(json.dumps(batch.service.snapshot()))
    queues = batch.client.describe_job_queues()["jobQueues"]
    batch.service.stop()
    # When
    batch.service = batch.new_service()
    batch.service.restore(snapshot)
    # Then
    assert batch.describe(done["jobId"]) == done
    assert batch.client.describe_job_queues()["jobQueues"] == queues
    for job_id in (running, waiting):
        job = batch.describe(job_id)
        assert (job["status"], job["statusReason"]) == ("FAILED", "The platform was stopped")
        assert job["stoppedAt"] >= job["createdAt"]
    listed = batch.client.list_jobs(jobQueue="queue", jobStatus="FAILED")["jobSummaryList"]
    assert [job["jobName"] for job in listed] == ["waiting", "running"]
    # And it goes on: the next revision, the next job
    assert batch.define("work", "true").endswith(":3")
    later = batch.wait(batch.submit("work", "later"))
    assert later["status"] == "SUCCEEDED"
    newest = batch.client.list_jobs(jobQueue="queue", filters=[{"name": "JOB_NAME", "values": ["*"]}])
    assert newest["jobSummaryList"][0]["jobName"] == "later"


def test_a_snapshot_that_does_not_hold_together_is_refused(batch):
    batch.run("true")
    snapshot = batch.service.snapshot()
    snapshot["job_definitions"] = {}
    other = batch.new_service()
    with pytest.raises(ValueError, match="without its definition"):
        other.restore(snapshot)
    other.stop()


def test_nothing_runs_on_a_laptop_without_vcpus(new_batch):
    with pytest.raises(ValueError, match="at least 1 vCPU and 1 MiB, found vcpus=0"):
        new_batch(vcpus=0)
