"""What a host keeps of jobs, and how a later service takes it over: each result once, nothing of it lost."""

import json
import logging

import pytest
from botocore.exceptions import ClientError

STOPPED = ("FAILED", "The platform was stopped")


def outcome(job):
    return job["status"], job.get("statusReason")


def killed_and_started_again(batch, *, records=None):
    """A new service that knows the definitions and queues of the old one, and of jobs what was kept."""
    snapshot = {**batch.service.snapshot(), "jobs": []}
    kept = list(batch.host.kept if records is None else records)
    batch.service.stop()
    batch.service = batch.new_service()
    batch.service.restore(json.loads(json.dumps(snapshot)))
    batch.service.adopt_jobs(kept)


def test_a_job_is_kept_when_it_is_submitted_and_when_it_is_final(batch):
    job = batch.run("sh", "-c", "exit 3", retryStrategy={"attempts": 2})
    kept = [(record["job_id"], record["status"], len(record["attempts"])) for record in batch.host.kept]
    assert kept == [(job["jobId"], "SUBMITTED", 0), (job["jobId"], "FAILED", 2)]


def test_a_job_that_cannot_be_written_down_is_refused(batch):
    definition = batch.define("work", "true")

    def full(_):
        raise OSError("No space left on device")

    batch.host.keep_job = full
    batch.service = batch.new_service()
    batch.add_queue()
    definition = batch.define("work", "true")
    with pytest.raises(ClientError, match="could not be written down: No space left") as refusal:
        batch.submit(definition)
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert batch.client.list_jobs(jobQueue="queue", jobStatus="RUNNABLE")["jobSummaryList"] == []


def test_an_end_that_cannot_be_written_down_is_an_end(batch, caplog):
    def only_beginnings(job):
        if job["status"] != "SUBMITTED":
            raise OSError("No space left on device")

    batch.host.keep_job = only_beginnings
    batch.service = batch.new_service()
    batch.add_queue()
    assert batch.run("true")["status"] == "SUCCEEDED"
    assert "was not written down" in caplog.text


def test_finished_jobs_survive_and_others_have_failed(new_batch):
    # Given a done job, one that runs and one that waits, when the platform is killed
    batch = new_batch(vcpus=1)
    done = batch.run("sh", "-c", "echo x", tags={"a": "b"})
    definition = batch.define("work", "sleep", "60")
    running, waiting = batch.submit(definition, "running"), batch.submit(definition, "waiting")
    batch.wait(running, ("RUNNING",))
    kept = list(batch.host.kept)
    killed_and_started_again(batch, records=kept)
    # Then
    assert batch.describe(done["jobId"]) == done
    for job_id in (running, waiting):
        assert outcome(batch.describe(job_id)) == STOPPED
    # And nothing is told or kept of it again, and the next job is the newest
    assert batch.host.kept[: len(kept)] == kept
    later = batch.wait(batch.submit(definition, "later", containerOverrides={"command": ["true"]}))
    newest = batch.client.list_jobs(jobQueue="queue", filters=[{"name": "JOB_NAME", "values": ["*"]}])
    assert newest["jobSummaryList"][0]["jobId"] == later["jobId"]


def test_a_job_is_there_once_however_often_it_was_kept(batch):
    done = batch.run("true")
    records = batch.host.kept * 2 + batch.host.kept[:1]  # a late copy of its beginning, too
    killed_and_started_again(batch, records=records)
    batch.service.adopt_jobs(records)
    assert batch.describe(done["jobId"]) == done
    for status, count in (("SUCCEEDED", 1), ("FAILED", 0)):
        assert len(batch.client.list_jobs(jobQueue="queue", jobStatus=status)["jobSummaryList"]) == count


def test_what_was_kept_replaces_what_a_snapshot_took_for_lost(batch):
    # Given a snapshot that was saved while the job ran, and a journal that knows its end
    job_id = batch.submit(batch.define("work", "sleep", "0.3"))
    batch.wait(job_id, ("RUNNING",))
    snapshot = json.loads(json.dumps(batch.service.snapshot()))
    done = batch.wait(job_id)
    batch.service.stop()
    batch.service = batch.new_service()
    batch.service.restore(snapshot)
    assert outcome(batch.describe(job_id)) == STOPPED
    batch.service.adopt_jobs(batch.host.kept)
    assert batch.describe(job_id) == done
    assert batch.client.list_jobs(jobQueue="queue", jobStatus="FAILED")["jobSummaryList"] == []


def test_a_job_of_an_unknown_definition_is_left_out(batch, caplog):
    job_id = batch.run("true")["jobId"]
    other = batch.new_service()
    with caplog.at_level(logging.WARNING):
        other.adopt_jobs(batch.host.kept)
    assert other.handle("DescribeJobs", {"jobs": [job_id]})["jobs"] == []
    assert f"job {job_id} is left out" in caplog.text
    other.stop()


def test_an_array_survives_with_its_children(batch):
    job_id = batch.submit(
        batch.define("work", "sh", "-c", 'test "$AWS_BATCH_JOB_ARRAY_INDEX" != 1'), arrayProperties={"size": 3}
    )
    parent = batch.wait(job_id)
    children = [batch.describe(f"{job_id}:{index}") for index in range(3)]
    assert batch.host.kept[0]["job_id"] == job_id
    assert len(batch.host.kept) == 1 + 3 + 1
    killed_and_started_again(batch)
    assert batch.describe(job_id) == parent
    assert [batch.describe(f"{job_id}:{index}") for index in range(3)] == children


def test_an_array_that_was_interrupted_keeps_what_its_children_did(new_batch):
    # Given an array of three, one after the other, killed while the second child runs
    batch = new_batch(vcpus=1)
    definition = batch.define("work", "sh", "-c", 'test "$AWS_BATCH_JOB_ARRAY_INDEX" = 0 || sleep 60')
    job_id = batch.submit(definition, arrayProperties={"size": 3})
    batch.wait(f"{job_id}:1", ("RUNNING",))
    first = batch.describe(f"{job_id}:0")
    # When, with a snapshot of that moment or without
    snapshot = json.loads(json.dumps(batch.service.snapshot()))
    kept = list(batch.host.kept)
    batch.service.stop()
    for jobs in ([], snapshot["jobs"]):
        batch.service = batch.new_service()
        batch.service.restore({**snapshot, "jobs": jobs})
        batch.service.adopt_jobs(kept)
        # Then
        parent = batch.describe(job_id)
        assert outcome(parent) == STOPPED
        assert {key: n for key, n in parent["arrayProperties"]["statusSummary"].items() if n} == {
            "SUCCEEDED": 1,
            "FAILED": 2,
        }
        assert batch.describe(f"{job_id}:0") == first
        assert outcome(batch.describe(f"{job_id}:1")) == outcome(batch.describe(f"{job_id}:2")) == STOPPED
        batch.service.stop()


def test_an_array_whose_children_had_all_succeeded_has_succeeded(batch):
    # Given a journal that lacks only the parent's end
    job_id = batch.submit(batch.define("work", "true"), arrayProperties={"size": 2})
    batch.wait(job_id)
    assert batch.host.kept[-1]["job_id"] == job_id
    killed_and_started_again(batch, records=batch.host.kept[:-1])
    parent = batch.describe(job_id)
    assert (parent["status"], parent["arrayProperties"]["statusSummary"]["SUCCEEDED"]) == ("SUCCEEDED", 2)
    assert batch.service.wait(job_id)["status"] == "SUCCEEDED"


@pytest.mark.parametrize(("command", "status"), [("true", "SUCCEEDED"), ("false", "FAILED")])
def test_an_array_whose_last_word_is_missing_is_what_its_children_are(batch, tmp_path, command, status):
    # Given a snapshot of its middle, and a journal that ends with its last child
    script = f"until test -e {tmp_path}/gate; do sleep 0.02; done; {command}"
    job_id = batch.submit(batch.define("work", "sh", "-c", script), arrayProperties={"size": 2})
    batch.wait(f"{job_id}:1", ("RUNNING",))
    snapshot = json.loads(json.dumps(batch.service.snapshot()))
    (tmp_path / "gate").touch()
    ended = batch.wait(job_id)
    batch.service.stop()
    # When
    batch.service = batch.new_service()
    batch.service.restore(snapshot)
    assert outcome(batch.describe(job_id)) == STOPPED
    batch.service.adopt_jobs([record for record in batch.host.kept if "parent" in record])
    # Then
    assert outcome(batch.describe(job_id)) == outcome(ended)
    assert batch.describe(job_id)["arrayProperties"]["statusSummary"][status] == 2
    listed = batch.client.list_jobs(jobQueue="queue", filters=[{"name": "JOB_NAME", "values": ["*"]}])
    assert [(job["jobId"], job["status"]) for job in listed["jobSummaryList"]] == [(job_id, status)]
    assert batch.client.list_jobs(jobQueue="queue", jobStatus=status)["jobSummaryList"] == listed["jobSummaryList"]


def test_an_array_that_was_stopped_keeps_its_counts_when_children_are_forgotten(new_batch):
    # Given an array of four, two of them done, when the platform ends as it should
    batch = new_batch(vcpus=1, max_final_jobs=3)
    definition = batch.define("work", "sh", "-c", 'test "$AWS_BATCH_JOB_ARRAY_INDEX" -lt 2 || sleep 60')
    job_id = batch.submit(definition, arrayProperties={"size": 4})
    batch.wait(f"{job_id}:2", ("RUNNING",))
    batch.service.stop()
    parent = batch.describe(job_id)
    snapshot = json.loads(json.dumps(batch.service.snapshot()))
    assert sum("parent" in record for record in snapshot["jobs"]) == 2
    # When it is started again
    batch.service = batch.new_service()
    batch.service.restore(snapshot)
    # Then
    assert batch.describe(job_id) == parent
    assert parent["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 2


def test_records_may_come_in_any_order(batch):
    job_id = batch.submit(batch.define("work", "true"), arrayProperties={"size": 3})
    parent = batch.wait(job_id)
    killed_and_started_again(batch, records=reversed(batch.host.kept[1:]))
    assert batch.describe(job_id) == parent
    assert len(batch.client.list_jobs(arrayJobId=job_id, jobStatus="SUCCEEDED")["jobSummaryList"]) == 3


def test_a_child_without_its_array_job_is_left_out(batch, caplog):
    job_id = batch.submit(batch.define("work", "true"), arrayProperties={"size": 2})
    batch.wait(job_id)
    children = [record for record in batch.host.kept if "parent" in record]
    killed_and_started_again(batch, records=children)
    assert batch.client.describe_jobs(jobs=[job_id, f"{job_id}:0"])["jobs"] == []
    assert "its array job" in caplog.text
