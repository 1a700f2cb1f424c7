"""Faults, refusals, cancelling and permissions through the real deployment."""

from __future__ import annotations

import json
import subprocess

import pytest
from botocore.exceptions import ClientError

from tests.test_e2e.conftest import HPC, make_environment, wait_until
from tests.test_e2e.expected import repeated


def names(jobs: list[dict], state: str) -> list[str]:
    return [job["jobName"].split("-", 3)[3] for job in jobs if f"-{state}-" in job["jobName"]]


def queues(jobs: list[dict], state: str) -> set[str]:
    return {job["jobQueue"] for job in jobs if f"-{state}-" in job["jobName"]}


def test_a_shard_that_fails_once_is_the_only_one_that_the_second_try_repeats(platform, lines_file, tmp_path):
    # Given a job that ends with 1 on its first try
    platform.set_faults({"job_name": "*-String_Repeat-3", "times": 1, "action": "exit", "exit_code": 1})
    # When
    run_id = platform.submit(lines_file, "FailsOnce", 100)
    # Then the run succeeds; only that shard was done again, on the on-demand queue, and its branch merged again
    assert platform.wait(run_id)["status"] == "SUCCEEDED"
    jobs = platform.jobs(run_id)
    assert sorted(names(jobs, "String_Repeat")) == sorted(
        [f"String_Repeat-{number}" for number in range(10)] + ["String_Repeat-3"]
    )
    assert len(names(jobs, "String_Reverse")) == 10
    assert len(names(jobs, "String_Split")) == 1
    again = [job for job in jobs if job["jobName"].endswith("String_Repeat-3")][-1]
    assert again["jobQueue"] == platform.output("JobQueueArns")["graviton"]["next_tries"]
    assert queues(jobs, "String_Reverse") == {platform.output("JobQueueArns")["graviton"]["first_try"]}
    platform.hpc("results", run_id, "-o", tmp_path / "out")
    assert (tmp_path / "out" / "repeat_lines.txt_merge").read_bytes() == repeated(lines_file.read_bytes())
    task = next(t for t in platform.show(run_id)["tasks"] if (t["state"], t["index"]) == ("String_Repeat", 3))
    assert (task["status"], task["attempts"]) == ("SUCCEEDED", 2)


def test_a_job_that_always_fails_ends_the_run_after_its_tries_and_says_why(platform, lines_file):
    platform.set_faults({"job_name": "*-String_Reverse-1", "times": "all", "action": "exit", "exit_code": 1})
    run_id = platform.submit(lines_file, "FailsAlways", 250)
    seen = platform.wait(run_id)
    assert seen["status"] == "FAILED"
    assert names(platform.jobs(run_id), "String_Reverse").count("String_Reverse-1") == 3
    assert any("lines.txt_00001" in reason for reason in seen["reasons"])
    # And the project is free again
    platform.set_faults()
    assert platform.wait(platform.submit(lines_file, "FailsAlways", 250))["status"] == "SUCCEEDED"


def test_a_job_that_hangs_is_ended_by_its_timeout_and_tried_again(platform, lines_file):
    platform.set_faults(
        {"job_name": "*-String_Repeat-0", "times": 1, "action": "hang"},
        {"job_name": "*-String_Repeat-0", "times": 1, "action": "timeout_s", "seconds": 2},
    )
    run_id = platform.submit(lines_file, "TimesOut", 500)
    assert platform.wait(run_id)["status"] == "SUCCEEDED"
    first = next(job for job in platform.jobs(run_id) if job["jobName"].endswith("String_Repeat-0"))
    assert (first["status"], first["statusReason"]) == ("FAILED", "Job attempt duration exceeded timeout")


def test_a_reclaimed_instance_is_batch_s_to_retry(platform, lines_file):
    platform.set_faults({"job_name": "*-String_Repeat-0", "times": 1, "action": "reclaim"})
    run_id = platform.submit(lines_file, "Reclaimed", 500)
    assert platform.wait(run_id)["status"] == "SUCCEEDED"
    jobs = [job for job in platform.jobs(run_id) if job["jobName"].endswith("String_Repeat-0")]
    assert [len(job["attempts"]) for job in jobs] == [2]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"INPUT_KEY": "source/nowhere.txt", "SPLIT_NUM": 5}, "source/nowhere.txt"),
        ({"INPUT_KEY": "source/there.txt", "SPLIT_NUM": 0}, "SPLIT_NUM"),
        ({"INPUT_KEY": "source/there.txt", "SPLIT_NUM": "many"}, "SPLIT_NUM"),
        ({"INPUT_KEY": "private/secret.txt", "SPLIT_NUM": 5}, "private/secret.txt"),
    ],
    ids=["missing", "zero", "text", "denied"],
)
def test_bad_input_past_the_command_line_ends_with_its_reason(platform, given, message, request):
    # Given one object that may be read and one under a prefix that no job may read
    s3, bucket = platform.client("s3"), platform.output("S3BucketForAWSBatch")
    for key in ("source/there.txt", "private/secret.txt"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"a\nb\n")
    name = f"bad-{request.node.callspec.id}"
    arn = platform.start_directly(name, ProjectNo=name, INPUT_BUCKET=bucket, **given)
    assert platform.wait_for_execution(arn)["status"] == "FAILED"
    reasons = json.loads(platform.row(name)["reasons"]["S"])
    assert any(message in reason for reason in reasons), reasons
    assert len(platform.jobs(name)) == 1


def test_lambdas_run_under_their_roles(platform):
    # Given the deployed check_output, asked to look into a bucket of the CDK's
    functions = platform.client("lambda").list_functions()["Functions"]
    name = next(f["FunctionName"] for f in functions if "CheckOutput" in f["FunctionName"])
    other = next(b["Name"] for b in platform.client("s3").list_buckets()["Buckets"] if b["Name"].startswith("cdk-"))
    definition = json.loads(
        platform.client("stepfunctions").describe_state_machine(
            stateMachineArn=platform.output("StateMachineArns")["string_processing"]
        )["definition"]
    )
    branches = definition["States"]["Check_Output"]["Parameters"]["Payload"]["branches"]
    event = {
        "run_id": "20260101-000000-abcdef", "project": "P", "workflow": "string_processing", "bucket": other,
        "input_key": "source/x.txt", "attempt": 1, "max_attempts": 3, "split_state": "String_Split",
        "branches": branches, "made_since": {"String_Split": "1970-01-01T00:00:00Z"}, "resumes": 0,
    }  # fmt: skip
    answer = platform.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    assert answer.get("FunctionError")
    assert "AccessDenied" in answer["Payload"].read().decode()


@pytest.mark.parametrize("key", ["uploads//kept.txt", "/uploads/kept.txt", "uploads\\kept.txt"])
def test_a_key_that_would_reach_another_object_is_refused(platform, key):
    # Given an object that the object store would find under this key, too
    s3, bucket = platform.client("s3"), platform.output("S3BucketForAWSBatch")
    s3.put_object(Bucket=bucket, Key="uploads/kept.txt", Body=b"kept")
    calls = [
        lambda: s3.get_object(Bucket=bucket, Key=key),
        lambda: s3.put_object(Bucket=bucket, Key=key, Body=b"other"),
        lambda: s3.delete_object(Bucket=bucket, Key=key),
        lambda: s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]}),
        lambda: s3.copy_object(Bucket=bucket, Key="uploads/copy.txt", CopySource={"Bucket": bucket, "Key": key}),
    ]
    for call in calls:
        with pytest.raises(ClientError, match="InvalidArgument"):
            call()
    assert s3.get_object(Bucket=bucket, Key="uploads/kept.txt")["Body"].read() == b"kept"


def test_a_second_run_of_a_project_waits_for_the_first_to_end(platform, lines_file):
    platform.set_faults({"job_name": "*-String_Repeat-0", "times": 1, "action": "hang"})
    first = platform.submit(lines_file, "Busy", 500)
    refused = platform.hpc("submit", lines_file, "--project", "Busy", "--lines-per-shard", 500, check=2)
    assert first in refused.stderr
    # And past the command line the lease refuses it too
    bucket = platform.output("S3BucketForAWSBatch")
    platform.client("s3").put_object(Bucket=bucket, Key="source/busy.txt", Body=b"a\n")
    arn = platform.start_directly(
        "second", ProjectNo="Busy", INPUT_BUCKET=bucket, INPUT_KEY="source/busy.txt", SPLIT_NUM=5
    )
    ended = platform.wait_for_execution(arn)
    assert (ended["status"], ended["error"]) == ("FAILED", "ProjectIsBusy")
    assert platform.show(first)["status"] == "RUNNING"
    platform.hpc("cancel", first)


def test_cancel_ends_running_jobs_and_frees_the_project(platform, lines_file):
    # Given a run whose shard hangs
    platform.set_faults({"job_name": "*-String_Repeat-*", "times": "all", "action": "hang"})
    run_id = platform.submit(lines_file, "Cancelled", 500)
    wait_until(
        lambda: any(job["status"] == "RUNNING" and "String_Repeat" in job["jobName"] for job in platform.jobs(run_id))
    )
    # When
    platform.hpc("cancel", run_id)
    # Then no job is left, the run stays CANCELLED, and the next one starts
    assert {job["status"] for job in platform.jobs(run_id)} <= {"SUCCEEDED", "FAILED"}
    assert platform.show(run_id)["status"] == "CANCELLED"
    platform.set_faults()
    assert platform.wait(platform.submit(lines_file, "Cancelled", 500))["status"] == "SUCCEEDED"
    assert platform.show(run_id)["status"] == "CANCELLED"
    assert platform.hpc("cancel", run_id, check=None).returncode in (0, 2)


def test_another_input_for_a_project_needs_overwrite(platform, lines_file, tmp_path):
    assert platform.wait(platform.submit(lines_file, "Other", 500))["status"] == "SUCCEEDED"
    other = tmp_path / "other.txt"
    other.write_text("something else\n")
    refused = platform.hpc("submit", other, "--project", "Other", "--lines-per-shard", 500, check=2)
    assert "lines.txt" in refused.stderr
    assert "--overwrite" in refused.stderr
    assert platform.wait(platform.submit(other, "Other", 500, "--overwrite"))["status"] == "SUCCEEDED"


def test_the_same_project_again_with_other_shards_mixes_nothing(platform, lines_file, tmp_path):
    # Given a run with 100 shards, then one of the same input with 2
    assert platform.wait(platform.submit(lines_file, "Again", 10))["status"] == "SUCCEEDED"
    run_id = platform.submit(lines_file, "Again", 500)
    assert platform.wait(run_id)["status"] == "SUCCEEDED"
    assert len(names(platform.jobs(run_id), "String_Repeat")) == 2
    platform.hpc("results", run_id, "-o", tmp_path / "out")
    assert (tmp_path / "out" / "repeat_lines.txt_merge").read_bytes() == repeated(lines_file.read_bytes())


def test_what_the_batch_service_cannot_do_is_refused_by_name(platform):
    queue = platform.output("JobQueueArns")["graviton"]["first_try"]
    definition = platform.output("JobDefinitionArns")["string_processing"]["string_split"]
    with pytest.raises(ClientError, match="shareIdentifier"):
        platform.client("batch").submit_job(
            jobName="share", jobQueue=queue, jobDefinition=definition, shareIdentifier="a"
        )


def test_a_taken_port_is_named_with_a_way_out(platform, tmp_path):
    ended = subprocess.run(
        [str(HPC), "up", "--port", str(platform.port)],
        env=make_environment(tmp_path), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert f"port {platform.port}" in ended.stderr
    assert "hpc up --port" in ended.stderr


def test_notifications_tell_success_and_failure(platform, lines_file):
    # Given a queue that listens to the topic
    sqs, sns = platform.client("sqs"), platform.client("sns")
    url = sqs.create_queue(QueueName="listener")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
              "Action": "sqs:SendMessage", "Resource": arn}]}  # fmt: skip
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=platform.output("NotificationTopicArn"), Protocol="sqs", Endpoint=arn)
    # When one run succeeds and one fails
    good = platform.submit(lines_file, "Tells", 500)
    assert platform.wait(good)["status"] == "SUCCEEDED"
    platform.set_faults({"job_name": "*-String_Split-0", "times": "all", "action": "exit", "exit_code": 1})
    bad = platform.submit(lines_file, "Tells", 500)
    assert platform.wait(bad)["status"] == "FAILED"
    # Then both were told
    texts = []
    for _ in range(10):
        texts += [m["Body"] for m in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])]
    assert any(good in text and "SUCCEEDED" in text for text in texts)
    assert any(bad in text and "FAILED" in text for text in texts)
