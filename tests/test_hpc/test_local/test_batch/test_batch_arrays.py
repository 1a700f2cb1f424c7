"""Array jobs: children by index, the parent's summary and end, listing, ending, retries, and ten thousand of them."""

import time

import pytest
from botocore.exceptions import ClientError

from hpc.local.batch.model import ARRAY_CHILD_FAILED, STATUSES

FAIL_AT_2 = ("sh", "-c", 'test "$AWS_BATCH_JOB_ARRAY_INDEX" != 2')


def summary_of(batch, job_id):
    counts = batch.describe(job_id)["arrayProperties"]["statusSummary"]
    return {status: count for status, count in counts.items() if count}


def children_of(batch, job_id, status):
    pages = batch.client.get_paginator("list_jobs").paginate(
        arrayJobId=job_id, jobStatus=status, PaginationConfig={"PageSize": 2}
    )
    return [job["arrayProperties"]["index"] for page in pages for job in page["jobSummaryList"]]


def test_children_know_their_index_and_the_parent_sums_them_up(batch):
    # Given an array of three
    script = 'echo "$AWS_BATCH_JOB_ID $AWS_BATCH_JOB_ARRAY_INDEX $AWS_BATCH_JOB_ATTEMPT"'
    definition = batch.define("work", "sh", "-c", script)
    answer = batch.client.submit_job(
        jobName="many", jobQueue="queue", jobDefinition=definition, arrayProperties={"size": 3}, tags={"a": "b"}
    )
    job_id = answer["jobId"]
    # When all have run
    parent = batch.wait(job_id)
    # Then the parent has succeeded, without an attempt of its own
    assert (parent["status"], parent["attempts"]) == ("SUCCEEDED", [])
    assert parent["stoppedAt"] >= parent["createdAt"]
    assert parent["arrayProperties"]["size"] == 3
    assert parent["arrayProperties"]["statusSummary"] == {**dict.fromkeys(STATUSES, 0), "SUCCEEDED": 3}
    # And each child is a job with attempt, log stream and id
    for index in range(3):
        child = batch.describe(f"{job_id}:{index}")
        assert (child["jobId"], child["jobArn"]) == (f"{job_id}:{index}", f"{parent['jobArn']}:{index}")
        assert (child["jobName"], child["tags"], child["arrayProperties"]) == ("many", {"a": "b"}, {"index": index})
        [attempt] = child["attempts"]
        assert batch.log(attempt) == [f"{job_id}:{index} {index} 1"]
    assert batch.client.describe_jobs(jobs=[f"{job_id}:{index}" for index in (3, "x", "")])["jobs"] == [parent]
    # And the queue lists the parent alone, the array its children
    assert [
        job["jobId"] for job in batch.client.list_jobs(jobQueue="queue", jobStatus="SUCCEEDED")["jobSummaryList"]
    ] == [job_id]
    assert children_of(batch, job_id, "SUCCEEDED") == [0, 1, 2]


def test_one_child_that_fails_fails_the_parent_when_all_have_ended(batch):
    job_id = batch.submit(batch.define("work", *FAIL_AT_2), arrayProperties={"size": 5})
    parent = batch.wait(job_id)
    assert (
        (parent["status"], parent["statusReason"])
        == ("FAILED", ARRAY_CHILD_FAILED)
        == ("FAILED", "Array Child Job failed")
    )
    assert summary_of(batch, job_id) == {"SUCCEEDED": 4, "FAILED": 1}
    assert children_of(batch, job_id, "FAILED") == [2]
    assert children_of(batch, job_id, "SUCCEEDED") == [0, 1, 3, 4]
    assert batch.client.list_jobs(arrayJobId=job_id)["jobSummaryList"] == []


def test_retries_and_timeouts_are_each_child_s_own(batch):
    # Given a child that fails twice, and one that never ends
    script = 'case "$AWS_BATCH_JOB_ARRAY_INDEX" in 0) test "$AWS_BATCH_JOB_ATTEMPT" = 3;; 1) exec sleep 60;; esac'
    batch.set_faults({"job_name": "job:1", "action": "timeout_s", "seconds": 0.3})
    job_id = batch.submit(
        batch.define("work", "sh", "-c", script, retryStrategy={"attempts": 3}), arrayProperties={"size": 3}
    )
    assert batch.wait(job_id)["status"] == "FAILED"
    children = [batch.describe(f"{job_id}:{index}") for index in range(3)]
    assert [len(child["attempts"]) for child in children] == [3, 1, 1]
    assert [child["status"] for child in children] == ["SUCCEEDED", "FAILED", "SUCCEEDED"]
    assert children[1]["statusReason"] == "Job attempt duration exceeded timeout"


def test_wait_returns_the_parent_when_its_last_child_is_final(batch):
    job_id = batch.submit(batch.define("work", "sh", "-c", "sleep 0.1"), arrayProperties={"size": 4})
    job = batch.service.wait(job_id, timeout_s=10)
    assert (job["status"], job["arrayProperties"]["statusSummary"]["SUCCEEDED"]) == ("SUCCEEDED", 4)
    assert batch.service.wait(f"{job_id}:3")["arrayProperties"] == {"index": 3}


def test_terminating_the_parent_ends_every_child(batch):
    definition = batch.define("work", "sleep", "60", retryStrategy={"attempts": 3})
    job_id = batch.submit(definition, arrayProperties={"size": 6})
    batch.wait(f"{job_id}:1", ("RUNNING",))
    batch.client.terminate_job(jobId=job_id, reason="enough")
    parent = batch.wait(job_id)
    assert (parent["status"], parent["statusReason"], parent["isTerminated"]) == ("FAILED", "enough", True)
    children = [batch.describe(f"{job_id}:{index}") for index in range(6)]
    assert {(child["status"], child["statusReason"], child["isTerminated"]) for child in children} == {
        ("FAILED", "enough", True)
    }
    assert [len(child["attempts"]) for child in children] == [1, 1, 0, 0, 0, 0]


def test_cancelling_the_parent_lets_its_running_children_go_on(batch, tmp_path):
    gate = tmp_path / "gate"
    definition = batch.define("work", "sh", "-c", f"until test -e {gate}; do sleep 0.05; done")
    job_id = batch.submit(definition, arrayProperties={"size": 4})
    for index in (0, 1):
        batch.wait(f"{job_id}:{index}", ("RUNNING",))
    batch.client.cancel_job(jobId=job_id, reason="not needed")
    assert summary_of(batch, job_id) == {"RUNNING": 2, "FAILED": 2}
    assert batch.describe(job_id)["status"] == "PENDING"
    gate.touch()
    parent = batch.wait(job_id)
    assert (parent["status"], parent["statusReason"], parent["isCancelled"]) == ("FAILED", "not needed", True)
    assert summary_of(batch, job_id) == {"SUCCEEDED": 2, "FAILED": 2}


def test_one_child_can_be_terminated_alone(batch):
    job_id = batch.submit(batch.define("work", "sleep", "0.3"), arrayProperties={"size": 2})
    batch.client.terminate_job(jobId=f"{job_id}:1", reason="this one")
    assert batch.wait(job_id)["statusReason"] == ARRAY_CHILD_FAILED
    assert batch.describe(f"{job_id}:0")["status"] == "SUCCEEDED"
    assert batch.describe(f"{job_id}:1")["statusReason"] == "this one"


def test_parent_and_children_have_events_of_their_own(batch):
    job_id = batch.submit(batch.define("work", "true"), arrayProperties={"size": 2}, tags={"run_id": "r"})
    batch.wait(job_id)
    batch.service.stop()
    told = {}
    for event in batch.host.events:
        told.setdefault(event["jobId"], []).append(event["status"])
    life = ["RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]
    assert told == {job_id: ["PENDING", "SUCCEEDED"], f"{job_id}:0": life, f"{job_id}:1": life}
    last = batch.host.events[-1]
    assert (last["jobId"], last["arrayProperties"]["statusSummary"]["SUCCEEDED"]) == (job_id, 2)
    [child] = [event for event in batch.host.events if event["jobId"] == f"{job_id}:0" and event["status"] == "RUNNING"]
    assert child["tags"] == {"resourceArn": f"{last['jobArn']}:0", "run_id": "r"}


def test_a_tag_of_one_child_is_not_its_sisters(batch):
    job_id = batch.submit(batch.define("work", "true"), arrayProperties={"size": 2}, tags={"a": "b"})
    parent = batch.wait(job_id)
    batch.client.tag_resource(resourceArn=f"{parent['jobArn']}:0", tags={"c": "d"})
    assert batch.describe(f"{job_id}:0")["tags"] == {"a": "b", "c": "d"}
    assert batch.describe(f"{job_id}:1")["tags"] == batch.describe(job_id)["tags"] == {"a": "b"}


@pytest.mark.parametrize("size", [1, 10_001, "many"])
def test_a_size_that_aws_would_not_take_is_refused(batch, size):
    batch.define("work", "true")
    request = {"jobName": "x", "jobQueue": "queue", "jobDefinition": "work", "arrayProperties": {"size": size}}
    with pytest.raises(Exception, match=r"arrayProperties\.size must be .* found"):
        batch.service.handle("SubmitJob", request)


def test_list_jobs_wants_one_thing_to_list(batch):
    for request in ({}, {"jobQueue": "queue", "arrayJobId": "x"}):
        with pytest.raises(ClientError, match="one of jobQueue and arrayJobId"):
            batch.client.list_jobs(**request)
    with pytest.raises(ClientError, match="filters do not apply"):
        batch.client.list_jobs(arrayJobId="x", filters=[{"name": "JOB_NAME", "values": ["*"]}])
    assert batch.client.list_jobs(arrayJobId="x")["jobSummaryList"] == []


@pytest.mark.usefixtures("instant_commands")
def test_ten_thousand_children_are_there_at_once_and_all_end(batch):
    definition = batch.define("work", "true")
    request = {"jobName": "job", "jobQueue": "queue", "jobDefinition": definition, "arrayProperties": {"size": 10_000}}
    started = time.monotonic()
    job_id = batch.service.handle("SubmitJob", request)["jobId"]
    submitted = time.monotonic() - started
    job = batch.service.wait(job_id, timeout_s=120)
    assert job["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 10_000
    assert submitted < 3  # a fraction of it on a quiet machine
    listed = []
    token = {}
    while True:
        page = batch.service.handle("ListJobs", {"arrayJobId": job_id, "jobStatus": "SUCCEEDED", **token})
        listed += [entry["arrayProperties"]["index"] for entry in page["jobSummaryList"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert listed == list(range(10_000))


@pytest.mark.usefixtures("instant_commands")
def test_children_are_forgotten_like_other_jobs_and_stay_counted(new_batch):
    batch = new_batch(max_final_jobs=5)
    job_id = batch.submit(batch.define("work", "true"), arrayProperties={"size": 20})
    parent = batch.wait(job_id)
    assert parent["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 20
    assert batch.client.describe_jobs(jobs=[f"{job_id}:0"])["jobs"] == []
    assert len(children_of(batch, job_id, "SUCCEEDED")) == 4
