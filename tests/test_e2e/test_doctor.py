"""What `hpc doctor` says of broken set-ups: of those that the laptop platform can be put into for real.

Memory and quotas are tested with answers in AWS's shapes, in tests/test_hpc/test_checks.
"""

from __future__ import annotations

import json
import time
from typing import Any

from tests.test_e2e import broken_setups as broken
from tests.test_e2e.api_client import Api
from tests.test_e2e.conftest import Platform

API_GATEWAY_WAITS_S = 29.0


def doctor(platform: Platform, *run: str, check: int) -> dict[str, list[dict[str, Any]]]:
    """What was found, by what was checked; fails the test for another exit code than `check`."""
    lines = json.loads(platform.hpc("doctor", *run, "--json", check=check).stdout)
    names = dict.fromkeys(line["check"] for line in lines)
    return {name: found for name in names if (found := [line for line in of(lines, name) if line["status"] == "found"])}


def of(lines: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["check"] == name]


def test_nothing_is_found_on_a_healthy_platform_and_what_nobody_can_tell_is_said(platform):
    lines = json.loads(platform.hpc("doctor", "--json").stdout)
    statuses = {line["check"]: line["status"] for line in lines}
    # The emulator has no instance types of these families, no quotas, and no images.
    told = {name for name, status in statuses.items() if status == "unknown"}
    assert told == {"Instances", "Images", "Quotas"}
    assert {status for name, status in statuses.items() if name not in told} == {"ok"}
    assert all(line["sentence"].startswith("could not be checked: ") for line in lines if line["check"] in told)


def test_no_environment_is_enabled(platform, lines_file):
    with broken.no_environment_enabled(platform):
        (first, _) = doctor(platform, check=1)["Compute environments"]
        assert "has no compute environment that runs jobs; found " in first["sentence"]
        spot, _ = broken.environments(platform, "Graviton")
        assert first["fix"] == (f"aws batch update-compute-environment --compute-environment {spot} --state ENABLED")
        # And nothing is submitted that would wait for ever, nor uploaded
        refused = platform.hpc("submit", lines_file, "--project", "Disabled", "--lines-per-shard", 100, check=3)
        assert first["sentence"] in refused.stderr
        assert "Uploading" not in refused.stderr
        # The API refuses it too: its role may ask for what the check needs
        bucket = platform.output("S3BucketForAWSBatch")
        platform.client("s3").put_object(Bucket=bucket, Key="source/ready.txt", Body=b"a\n")
        given = {"ProjectNo": "Disabled", "INPUT_BUCKET": bucket, "INPUT_KEY": "source/ready.txt", "SPLIT_NUM": 1}
        answer = Api(platform).post("/runs?dry_run=true", {"workflow": "string_processing", "parameters": given})
        assert (answer.status, answer.document["detail"]) == (503, f"{first['sentence']}; {first['fix']}")
        # The other architecture's queues are well
        other = ("--project", "Disabled", "--lines-per-shard", 500, "--architecture", "x86")
        run_id = platform.hpc("submit", lines_file, *other).stdout.strip()
        assert platform.wait(run_id)["status"] == "SUCCEEDED"


def test_a_job_is_larger_than_any_compute_environment(platform, lines_file):
    with broken.larger_than_any_environment(platform):
        found = doctor(platform, check=1)["Job vCPUs"]
        assert [line["sentence"][:38] for line in found] == ["Job string_merge asks for 999 vCPUs; f"] * 2
        refused = platform.hpc("submit", lines_file, "--project", "TooLarge", "--lines-per-shard", 100, check=3)
        assert "Job string_merge asks for 999 vCPUs; found at most " in refused.stderr
        assert "gravitonMaxVcpus" in refused.stderr


def test_an_image_is_missing(platform):
    with broken.image_missing(platform):
        (line,) = doctor(platform, check=1)["Images"]
        assert line["sentence"].startswith("The image of job string_repeat, ")
        assert "never_pushed:latest, is not there" in line["sentence"]


def test_an_image_is_made_for_another_processor(platform):
    with broken.image_for_another_processor(platform):
        (line,) = doctor(platform, check=1)["Images"]
        assert "is made for amd64; expected it for arm64 (graviton) too" in line["sentence"]


def test_a_subnet_has_no_way_out(platform):
    with broken.subnet_without_a_way_out(platform):
        (line,) = doctor(platform, check=1)["Network"]
        assert "have no way out: found no route to 0.0.0.0/0 in its route table rtb-" in line["sentence"]
    assert doctor(platform, check=0) == {}


def test_there_is_no_spot_capacity(platform, lines_file):
    with broken.no_spot_capacity(platform, lines_file) as run_id:
        (line,) = doctor(platform, run_id, check=1)["Waiting jobs"]
        assert f"Job {run_id}-String_Split-0 in the queue " in line["sentence"]
        assert "waits for Spot and on-demand capacity" in line["sentence"]


def test_the_api_says_of_a_run_why_it_waits_as_the_command_line_does(platform, lines_file):
    with broken.no_spot_capacity(platform, lines_file) as run_id:
        # Given a run that waits for capacity, the API's role may ask for all that the platform's owner may
        path = f"/runs/{run_id}/doctor"
        lines = Api(platform).get(path).document["lines"]
        assert lines == json.loads(platform.hpc("doctor", run_id, "--json", check=1).stdout)
        assert [line["check"] for line in lines if line["status"] == "found"] == ["Waiting jobs"]
        # When its queues are disabled, too, the API says that, within the time that API Gateway waits
        with broken.no_environment_enabled(platform):
            began = time.monotonic()
            answer = Api(platform).get(path)
            assert time.monotonic() - began < API_GATEWAY_WAITS_S
            first = next(line for line in answer.document["lines"] if line["status"] == "found")
            assert "has no compute environment that runs jobs; found " in first["sentence"]
            spot, _ = broken.environments(platform, "Graviton")
            assert first["fix"] == f"aws batch update-compute-environment --compute-environment {spot} --state ENABLED"


def test_the_queue_is_full(platform, lines_file):
    with broken.queue_full(platform, lines_file) as run_id:
        lines = doctor(platform, run_id, check=1)["Full queues"]
        assert "wait for room: 1 of the 1 vCPUs of the compute environments of the queue " in lines[0]["sentence"]
        assert "(graviton, first try) are taken by 1 job" in lines[0]["sentence"]
        assert "raise the setting gravitonMaxVcpus" in lines[0]["fix"]


def test_an_address_is_not_confirmed(platform):
    with broken.address_not_confirmed(platform):
        (line,) = doctor(platform, check=1)["Mail"]
        assert line["sentence"].startswith("http://127.0.0.1:9/someone is not confirmed")


def test_the_input_of_a_run_was_archived(platform, lines_file):
    with broken.input_archived(platform, lines_file) as run_id:
        (line,) = doctor(platform, run_id, check=1)["Input"]
        assert "found it archived in Glacier Flexible Retrieval" in line["sentence"]
        assert "aws s3api restore-object" in line["fix"]


def test_a_run_that_is_over_waits_for_nothing(platform, lines_file):
    run_id = platform.submit(lines_file, "Over", 500)
    assert platform.wait(run_id)["status"] == "SUCCEEDED"
    lines = json.loads(platform.hpc("doctor", run_id, "--json").stdout)
    assert lines[0] == {
        "check": "Run",
        "status": "ok",
        "sentence": "it is over (SUCCEEDED), nothing of it waits",
        "fix": "",
    }
