"""The string workflow through the real deployment: what comes out is compared with an independent computation."""

from __future__ import annotations

import json
import random
import re
import time
from pathlib import Path

import pytest

from hpc.sample import write_sample
from tests.test_e2e.expected import repeated, reversed_by_characters

PROJECT_OF_SAMPLE = "Sample"


def results(folder: Path, name: str) -> tuple[bytes, bytes]:
    return (folder / f"repeat_{name}_merge").read_bytes(), (folder / f"reverse_{name}_merge").read_bytes()


def test_the_sample_of_make_run_gives_what_an_independent_computation_gives(platform, tmp_path):
    # Given the 100,000 lines of `make run`
    sample = tmp_path / "lines.txt"
    write_sample(sample)
    # When they are run with 10,000 lines a shard
    ended = platform.hpc(
        "run", sample, "--project", PROJECT_OF_SAMPLE, "--lines-per-shard", 10_000, "--output", tmp_path / "out"
    )
    # Then both results are right, and the end of the output says where they are
    repeat, reverse = results(tmp_path / "out", "lines.txt")
    assert repeat == repeated(sample.read_bytes())
    assert reverse == reversed_by_characters(sample.read_bytes())
    assert str(tmp_path / "out" / "repeat_lines.txt_merge") in ended.stdout

    # And the keys in S3 are the required ones: ten shards, their list, ten outputs a branch
    s3, bucket = platform.client("s3"), platform.output("S3BucketForAWSBatch")
    listed = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"result/{PROJECT_OF_SAMPLE}/")
    keys = {item["Key"] for page in listed for item in page["Contents"]}
    for number in range(10):
        assert f"result/{PROJECT_OF_SAMPLE}/String_Split/lines.txt_{number:05d}" in keys
        assert f"result/{PROJECT_OF_SAMPLE}/String_Repeat/repeat_lines.txt_{number:05d}" in keys
        assert f"result/{PROJECT_OF_SAMPLE}/String_Reverse/reverse_lines.txt_{number:05d}" in keys
    assert f"result/{PROJECT_OF_SAMPLE}/String_Split/lines.txt_splitlist" in keys
    assert f"result/{PROJECT_OF_SAMPLE}/String_Repeat_Merge/repeat_lines.txt_merge" in keys

    # And the command line knows the run: each task once, all of them SUCCEEDED
    run = json.loads(platform.hpc("runs", "--json").stdout)[0]
    assert (run["project"], run["status"], run["workflow"]) == (PROJECT_OF_SAMPLE, "SUCCEEDED", "string_processing")
    tasks = platform.show(run["run_id"])["tasks"]
    assert sorted({task["state"] for task in tasks}) == [
        "String_Repeat", "String_Repeat_Merge", "String_Reverse", "String_Reverse_Merge", "String_Split",
    ]  # fmt: skip
    assert [(task["status"], task["attempts"]) for task in tasks] == [("SUCCEEDED", 1)] * 23


def test_mixed_bytes_survive_any_way_of_cutting_them(platform, tmp_path):
    # Given a file with CRLF, NUL, bytes that are no UTF-8, very long lines, and no terminator at the end
    chance = random.Random(7)
    pieces = [b"abc\r\n", b"\n", b"\r\n", "größe 土壤 🧬\n".encode(), b"\xff\xfe\x00x\n", b"\xc3(\xa0\xa1\r\n",
              b"a\rb\n", b"\xed\xa0\x80 surrogate\n", b"\xf0\x9f\x98\n", b"NUL\x00in\x00side\n",
              b"\rcr first\n"]  # fmt: skip
    blob = b"".join(chance.choices(pieces, k=3000)) + "é".encode() * 700_000 + b"\n" + b"z" * 3_000_000 + b"\r\nlast"
    file = tmp_path / "mixed bytes ü.txt"
    file.write_bytes(blob)
    # When
    platform.hpc("run", file, "--project", "Mixed", "--lines-per-shard", 700, "--output", tmp_path / "out")
    # Then
    repeat, reverse = results(tmp_path / "out", "mixed bytes ü.txt")
    assert repeat == repeated(blob)
    assert reverse == reversed_by_characters(blob)


def test_an_empty_file_is_a_run_without_shards(platform, tmp_path):
    (tmp_path / "empty.txt").touch()
    ended = platform.hpc(
        "run", tmp_path / "empty.txt", "--project", "Empty", "--lines-per-shard", 10, "--output", tmp_path / "out"
    )
    assert ended.returncode == 0
    assert results(tmp_path / "out", "empty.txt") == (b"", b"")


def test_an_execution_started_by_hand_needs_only_the_required_fields(platform):
    # Given an object that somebody put under source/
    s3, bucket = platform.client("s3"), platform.output("S3BucketForAWSBatch")
    s3.put_object(Bucket=bucket, Key="source/by_hand.txt", Body=b"one\ntwo\nthree\n")
    # When an execution is started with ProjectNo, INPUT_BUCKET, INPUT_KEY and SPLIT_NUM, and x86 chosen
    arn = platform.start_directly(
        "by-hand", ProjectNo="ByHand", INPUT_BUCKET=bucket, INPUT_KEY="source/by_hand.txt", SPLIT_NUM=2,
        architecture="x86",
    )  # fmt: skip
    # Then it succeeds with the input's bucket for its results, on the x86 queue, and has a row like any other run
    assert platform.wait_for_execution(arn)["status"] == "SUCCEEDED"
    merged = s3.get_object(Bucket=bucket, Key="result/ByHand/String_Reverse_Merge/reverse_by_hand.txt_merge")
    assert merged["Body"].read() == b"eno\nowt\neerht\n"
    assert platform.row("by-hand")["status"] == {"S": "SUCCEEDED"}
    x86 = platform.output("JobQueueArns")["x86"]["first_try"]
    assert {job["jobQueue"] for job in platform.jobs("by-hand")} == {x86}


def test_logs_of_jobs_are_in_cloudwatch_logs_and_in_hpc_logs(platform, lines_file):
    run_id = platform.submit(lines_file, "Logs", 500)
    assert platform.wait(run_id)["status"] == "SUCCEEDED"
    assert "String_Split" in platform.hpc("logs", run_id).stdout
    job = next(job for job in platform.jobs(run_id) if "String_Repeat-1" in job["jobName"])
    group = job["container"]["logConfiguration"]["options"]["awslogs-group"]
    events = platform.client("logs").get_log_events(
        logGroupName=group, logStreamName=job["attempts"][0]["container"]["logStreamName"]
    )["events"]
    assert events
    assert events[0]["message"] in platform.hpc("logs", run_id, "String_Repeat-1").stdout


def test_runs_and_results_outlive_a_restart_of_the_platform(platform, lines_file, tmp_path):
    run_id = platform.submit(lines_file, "Restart", 500)
    assert platform.wait(run_id)["status"] == "SUCCEEDED"
    platform.hpc("down")
    assert platform.hpc("runs", check=3).stderr
    started = time.monotonic()
    platform.hpc("up")
    assert time.monotonic() - started < 60
    platform.hpc("results", run_id, "-o", tmp_path / "out")
    assert results(tmp_path / "out", "lines.txt")[0] == repeated(lines_file.read_bytes())


def test_boto3_finds_the_platform_by_the_environment_that_hpc_env_prints(platform):
    printed = platform.hpc("env").stdout
    names = re.findall(r"^export (\w+)=", printed, re.MULTILINE)
    assert {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"} <= set(names)


@pytest.mark.parametrize("path", ["/_ministack/reset", "/_ministack/config"])
def test_a_web_page_cannot_reset_the_platform(platform, path):
    import urllib.error
    import urllib.request

    request = urllib.request.Request(f"http://127.0.0.1:{platform.port}{path}", method="POST", data=b"")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)
