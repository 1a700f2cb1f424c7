"""A job's life as a boto3 client sees it: SubmitJob, DescribeJobs, ListJobs, CancelJob, TerminateJob."""

import re
import threading
import uuid

import pytest
from botocore.exceptions import ClientError


def job_names(answer):
    return [job["jobName"] for job in answer["jobSummaryList"]]


def test_a_job_succeeds_with_times_attempt_and_log_stream(batch):
    # Given a definition and When it is submitted with tags
    definition = batch.define("greeter", "sh", "-c", "echo hello")
    answer = batch.client.submit_job(
        jobName="first", jobQueue="queue", jobDefinition=definition, tags={"run_id": "r"}, propagateTags=True
    )
    # Then the answer names it, and it ends as AWS would show it
    assert (answer["jobName"], str(uuid.UUID(answer["jobId"]))) == ("first", answer["jobId"])
    assert answer["jobArn"].endswith(f":job/{answer['jobId']}")
    job = batch.wait(answer["jobId"])
    assert (job["status"], job["statusReason"]) == ("SUCCEEDED", "Essential container in task exited")
    assert job["jobArn"] == answer["jobArn"]
    assert job["createdAt"] <= job["startedAt"] <= job["stoppedAt"]
    assert (job["jobDefinition"], job["tags"], job["propagateTags"]) == (definition, {"run_id": "r"}, True)
    assert job["jobQueue"].endswith(":job-queue/queue")
    [attempt] = job["attempts"]
    assert attempt["container"]["exitCode"] == job["container"]["exitCode"] == 0
    assert re.fullmatch(r"greeter/default/[0-9a-f]{32}", attempt["container"]["logStreamName"])
    assert (attempt["startedAt"], attempt["stoppedAt"]) == (job["startedAt"], job["stoppedAt"])


def test_a_running_job_shows_its_start_and_its_log_stream(batch):
    job_id = batch.submit(batch.define("work", "sleep", "60"))
    job = batch.wait(job_id, ("RUNNING",))
    assert job["startedAt"] >= job["createdAt"]
    assert job["container"]["logStreamName"].startswith("work/default/")
    assert "stoppedAt" not in job
    assert job["attempts"] == []


def test_overrides_and_parameters_reach_the_command(batch):
    # Given a definition with defaults for command, environment and a parameter
    definition = batch.define(
        "work",
        "sh",
        "-c",
        'echo "$0 $1 $GREETING $NAME"',
        "Ref::who",
        "Ref::unknown",
        parameters={"who": "nobody"},
        container={"environment": [{"name": "GREETING", "value": "hi"}, {"name": "NAME", "value": "a"}]},
    )
    plain = batch.wait(batch.submit(definition))
    changed = batch.wait(
        batch.submit(
            definition,
            parameters={"who": "Ada"},
            containerOverrides={
                "environment": [{"name": "NAME", "value": "b"}],
                "resourceRequirements": [{"type": "MEMORY", "value": "256"}],
            },
        )
    )
    # Then parameters replace whole words, an unknown one stays, and overrides win
    assert batch.log(plain["container"]) == ["nobody Ref::unknown hi a"]
    assert batch.log(changed["container"]) == ["Ada Ref::unknown hi b"]
    assert changed["parameters"] == {"who": "Ada"}
    assert {"name": "NAME", "value": "b"} in changed["container"]["environment"]
    requirements = {entry["type"]: entry["value"] for entry in changed["container"]["resourceRequirements"]}
    assert requirements == {"VCPU": "1", "MEMORY": "256"}
    # And a command of the submission replaces the definition's
    other = batch.wait(batch.submit(definition, containerOverrides={"command": ["echo", "other"]}))
    assert (batch.log(other["container"]), other["container"]["command"]) == (["other"], ["echo", "other"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"jobQueue": "nowhere"}, "JobQueue nowhere not found"),
        ({"jobQueue": "arn:aws:batch:us-east-1:1:job-queue/queue"}, "JobQueue arn:aws:batch:us-east-1:1:.* not found"),
        ({"jobDefinition": "nothing"}, "JobDefinition name nothing does not exist or is not in ACTIVE status"),
        ({"jobDefinition": "work:7"}, "JobDefinition name work:7 does not exist or is not in ACTIVE status"),
        ({"jobName": "no spaces"}, "Job name should match valid pattern"),
        ({"jobName": "-first"}, "Job name should match valid pattern"),
        ({"jobName": "a" * 129}, "Job name should match valid pattern"),
        ({"timeout": {"attemptDurationSeconds": 59}}, "attemptDurationSeconds must be from 60 .* found 59"),
        ({"retryStrategy": {"attempts": 11}}, "attempts must be from 1 to 10, found 11"),
        ({"containerOverrides": {"environment": [{"name": "AWS_BATCH_X", "value": ""}]}}, "AWS_BATCH_X"),
        ({"containerOverrides": {"resourceRequirements": [{"type": "VCPU", "value": "0.5"}]}}, "VCPU .* found '0.5'"),
        ({"tags": {str(number): "" for number in range(51)}}, "tags must be at most 50, found 51"),
        ({"parameters": {"a": "x" * 31_000}}, "at most 30720 bytes"),
    ],
)
def test_a_bad_submission_is_refused_with_what_was_found(batch, change, message):
    batch.define("work", "true")
    request = {"jobName": "job", "jobQueue": "queue", "jobDefinition": "work", **change}
    with pytest.raises(ClientError, match=message) as refusal:
        batch.client.submit_job(**request)
    assert refusal.value.response["Error"]["Code"] == "ClientException"
    assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_the_newest_active_revision_is_used_when_none_is_named(batch):
    first, second = batch.define("work", "echo", "1"), batch.define("work", "echo", "2")
    assert batch.log(batch.wait(batch.submit("work"))["container"]) == ["2"]
    assert batch.log(batch.wait(batch.submit("work:1"))["container"]) == ["1"]
    batch.client.deregister_job_definition(jobDefinition=second)
    assert batch.describe(batch.submit(first.rpartition(":")[0]))["jobDefinition"] == first
    with pytest.raises(ClientError, match="is not in ACTIVE status"):
        batch.submit(second)


def test_fractions_of_a_vcpu_are_for_fargate(batch):
    definition = batch.define("work", "true", vcpus="0.25", platformCapabilities=["FARGATE"])
    assert batch.wait(batch.submit(definition))["status"] == "SUCCEEDED"
    with pytest.raises(ClientError, match=r"VCPU must be a whole number, found '0\.25'"):
        batch.define("work", "true", vcpus="0.25")


def test_list_jobs_lists_running_jobs_unless_asked_otherwise(batch):
    # Given a finished job and one that runs
    batch.wait(batch.submit(batch.define("short", "true"), "done"))
    running = batch.submit(batch.define("long", "sleep", "60"), "going")
    batch.wait(running, ("RUNNING",))
    # Then
    queue_arn = batch.describe(running)["jobQueue"]
    assert job_names(batch.client.list_jobs(jobQueue="queue")) == ["going"]
    assert job_names(batch.client.list_jobs(jobQueue=queue_arn, jobStatus="SUCCEEDED")) == ["done"]
    assert job_names(batch.client.list_jobs(jobQueue="queue", jobStatus="PENDING")) == []
    [summary] = batch.client.list_jobs(jobQueue="queue", jobStatus="SUCCEEDED")["jobSummaryList"]
    assert (summary["status"], summary["container"]["exitCode"]) == ("SUCCEEDED", 0)
    assert summary["createdAt"] <= summary["startedAt"] <= summary["stoppedAt"]
    with pytest.raises(ClientError, match="JobQueue other not found"):
        batch.client.list_jobs(jobQueue="other")


def test_list_jobs_filters_whatever_the_status_newest_first(batch):
    short, long = batch.define("short", "true"), batch.define("short-b", "true")
    ids = [batch.submit(short, "Run1-a"), batch.submit(long, "run1-b"), batch.submit(short, "run2-a")]
    created = [batch.wait(job_id)["createdAt"] for job_id in ids]

    def listed(name, value):
        return job_names(batch.client.list_jobs(jobQueue="queue", filters=[{"name": name, "values": [value]}]))

    assert listed("JOB_NAME", "run1-*") == ["run1-b", "Run1-a"]
    assert listed("JOB_NAME", "run1-a") == ["Run1-a"]
    assert listed("JOB_NAME", "run") == []
    assert listed("JOB_DEFINITION", "short") == ["run2-a", "Run1-a"]
    assert listed("JOB_DEFINITION", "short*") == ["run2-a", "run1-b", "Run1-a"]
    assert listed("JOB_DEFINITION", short) == ["run2-a", "Run1-a"]
    assert listed("AFTER_CREATED_AT", str(created[0] - 1)) == ["run2-a", "run1-b", "Run1-a"]
    assert listed("BEFORE_CREATED_AT", str(created[0])) == []


def test_list_jobs_gives_every_job_once_over_its_pages(batch):
    definition = batch.define("work", "true")
    ids = [batch.submit(definition, f"job-{number}") for number in range(7)]
    for job_id in ids:
        batch.wait(job_id)
    first = batch.client.list_jobs(jobQueue="queue", jobStatus="SUCCEEDED", maxResults=3)
    assert job_names(first) == ["job-6", "job-5", "job-4"]
    pages = batch.client.get_paginator("list_jobs").paginate(
        jobQueue="queue", jobStatus="SUCCEEDED", PaginationConfig={"PageSize": 3}
    )
    assert [name for page in pages for name in job_names(page)] == [f"job-{number}" for number in range(6, -1, -1)]
    with pytest.raises(ClientError, match="nextToken is not one of ours"):
        batch.client.list_jobs(jobQueue="queue", nextToken="???")


def test_describe_jobs_leaves_out_unknown_jobs_and_takes_a_hundred(batch):
    assert batch.client.describe_jobs(jobs=[str(uuid.uuid4())])["jobs"] == []
    with pytest.raises(ClientError, match="at most 100, found 101"):
        batch.client.describe_jobs(jobs=["x"] * 101)


def test_cancel_ends_a_waiting_job_and_lets_a_running_one_go_on(batch):
    # Given a job that takes the whole laptop and one that waits behind it
    definition = batch.define("work", "sleep", "60", vcpus="2")
    running, waiting = batch.submit(definition), batch.submit(definition)
    batch.wait(running, ("RUNNING",))
    # When both are cancelled
    for job_id in (running, waiting):
        batch.client.cancel_job(jobId=job_id, reason="not needed")
    # Then
    job = batch.describe(waiting)
    assert (job["status"], job["statusReason"], job["attempts"]) == ("FAILED", "not needed", [])
    assert (job["isCancelled"], job["isTerminated"]) == (True, False)
    assert batch.describe(running)["status"] == "RUNNING"


def test_terminate_ends_waiting_and_running_jobs_and_retries_none(batch):
    definition = batch.define("work", "sleep", "60", vcpus="2", retryStrategy={"attempts": 5})
    running, waiting = batch.submit(definition), batch.submit(definition)
    batch.wait(running, ("RUNNING",))
    for job_id in (waiting, running):
        batch.client.terminate_job(jobId=job_id, reason="enough")
    ended = batch.wait(running)
    assert (ended["status"], ended["statusReason"], ended["isTerminated"]) == ("FAILED", "enough", True)
    assert [attempt["container"]["exitCode"] for attempt in ended["attempts"]] == [128 + 15]
    job = batch.wait(waiting)
    assert (job["status"], job["statusReason"], job["attempts"]) == ("FAILED", "enough", [])


def test_a_job_that_is_terminated_while_it_starts_never_runs(batch):
    # Given a host that takes its time to give credentials
    asked, go_on = threading.Event(), threading.Event()

    def slow_credentials(*_):
        asked.set()
        go_on.wait(10)
        return {}

    batch.host.credentials_for_role = slow_credentials
    batch.service = batch.new_service()
    batch.add_queue()
    definition = batch.define(
        "work", "echo", "ran", container={"jobRoleArn": "arn:aws:iam::1:role/r"}, retryStrategy={"attempts": 3}
    )
    job_id = batch.submit(definition)
    assert asked.wait(10)
    assert batch.describe(job_id)["status"] == "STARTING"
    # When it is cancelled, which comes too late, and terminated
    batch.client.cancel_job(jobId=job_id, reason="too late")
    batch.client.terminate_job(jobId=job_id, reason="stop")
    go_on.set()
    # Then
    job = batch.wait(job_id)
    assert (job["status"], job["statusReason"], len(job["attempts"])) == ("FAILED", "stop", 1)
    assert (job["isCancelled"], job["isTerminated"]) == (False, True)
    assert "startedAt" not in job
    assert batch.host.logs == {}


def test_ending_a_job_that_has_ended_or_is_unknown_changes_nothing(batch):
    done = batch.run("true")
    for call in (batch.client.terminate_job, batch.client.cancel_job):
        call(jobId=done["jobId"], reason="late")
        call(jobId=str(uuid.uuid4()), reason="unknown")
        with pytest.raises(ClientError, match="reason is required"):
            call(jobId=done["jobId"], reason="")
    assert batch.describe(done["jobId"]) == done


def test_a_disabled_queue_takes_no_jobs_and_still_runs_those_it_has(batch):
    definition = batch.define("work", "true")
    blocker = batch.submit(batch.define("blocker", "sleep", "60", vcpus="2"))
    waiting = batch.submit(definition)
    batch.client.update_job_queue(jobQueue="queue", state="DISABLED")
    with pytest.raises(ClientError, match="DISABLED and VALID, not ENABLED"):
        batch.submit(definition)
    batch.client.terminate_job(jobId=blocker, reason="make room")
    assert batch.wait(waiting)["status"] == "SUCCEEDED"
