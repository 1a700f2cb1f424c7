"""Deploying, deploying again, changing a setting and destroying, with the real CDK command line."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hpc.local.loopback import free_port
from tests.test_e2e.conftest import ROOT, Platform, make_environment, wait_until


@pytest.fixture
def own_platform(tmp_path: Path) -> Iterator[Platform]:
    """A second platform beside the shared one, on a port of its own, to change and destroy."""
    made = Platform(make_environment(tmp_path), tmp_path, free_port())
    made.hpc("up", "--port", made.port)
    yield made
    made.hpc("down", check=None)


def deployments(platform: Platform) -> int:
    return (platform.state_dir / "logs" / "deploy.log").read_text().count("$ cdk deploy")


def cdk(platform: Platform, *arguments: str) -> str:
    """The CDK command line as a person runs it, with what `hpc env` exports."""
    printed = platform.hpc("env").stdout
    exported = dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", printed, re.MULTILINE))
    environment = platform.environment | exported
    command = [str(Path(sys.executable).parent / "node"), str(ROOT / "node_modules/aws-cdk/bin/cdk"), *arguments]
    ended = subprocess.run(
        [*command, "--app", str(platform.state_dir / "cdk.out"), "--no-notices", "--ci"],
        env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_only_a_change_is_deployed_and_one_destroy_removes_everything_but_data(own_platform, lines_file):
    # Given a platform that was just deployed: nothing to do the second time
    own_platform.hpc("up")
    assert deployments(own_platform) == 1
    bucket = own_platform.output("S3BucketForAWSBatch")
    assert own_platform.wait(own_platform.submit(lines_file, "Before", 500))["status"] == "SUCCEEDED"

    # When settings change, the stack is updated in place: the data stays, and the next run works
    changed = {"HPC_CDK_SPOT": "false", "HPC_CDK_MAP_MAX_CONCURRENCY": "7", "HPC_CDK_ROOT_VOLUME_GIB": "300"}
    updated = replace(own_platform, environment=own_platform.environment | changed)
    updated.hpc("up")
    assert deployments(updated) == 2
    assert updated.output("S3BucketForAWSBatch") == bucket
    assert updated.wait(updated.submit(lines_file, "After", 500))["status"] == "SUCCEEDED"

    # And one `cdk destroy` leaves the data bucket, its access logs, the run table, and nothing else of the stack
    cdk(updated, "destroy", "Production-local", "--force")
    batch = updated.client("batch")
    assert batch.describe_job_queues()["jobQueues"] == []
    assert batch.describe_compute_environments()["computeEnvironments"] == []
    repositories = updated.client("ecr").describe_repositories()["repositories"]
    assert [found["repositoryName"] for found in repositories if found["repositoryName"].startswith("batch_")] == []
    assert updated.client("stepfunctions").list_state_machines()["stateMachines"] == []
    assert updated.client("lambda").list_functions()["Functions"] == []
    kept = {found["Name"] for found in updated.client("s3").list_buckets()["Buckets"]}
    assert bucket in kept
    assert len(updated.client("dynamodb").list_tables()["TableNames"]) == 1
    assert updated.client("s3").head_object(
        Bucket=bucket, Key="result/After/String_Repeat_Merge/repeat_lines.txt_merge"
    )


def processes_in(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if str((entry / "cwd").readlink()).startswith(str(folder)):
                    found.append(int(entry.name))
    return found


def wait_for_jobs(platform: Platform) -> None:
    wait_until(lambda: bool(processes_in(platform.state_dir / "jobs")))


def test_a_platform_that_was_ended_or_killed_in_mid_run_leaves_no_job_and_continues(own_platform, lines_file):
    # Given a run whose jobs hang when the platform is told to end
    own_platform.set_faults({"job_name": "*-String_Split-0", "times": "all", "action": "hang"})
    first = own_platform.submit(lines_file, "Ended", 500)
    wait_for_jobs(own_platform)
    own_platform.hpc("down")
    # Then its job is gone, and the run goes on at the next start
    assert processes_in(own_platform.state_dir / "jobs") == []
    own_platform.hpc("up")
    wait_for_jobs(own_platform)
    assert own_platform.show(first)["status"] == "RUNNING"
    own_platform.hpc("cancel", first)

    # Given another one when the platform is killed without warning
    second = own_platform.submit(lines_file, "Killed", 500)
    wait_for_jobs(own_platform)
    os.kill(own_platform.key["pid"], signal.SIGKILL)
    # Then the next start ends what it left behind, deploys nothing again, and that run ends well
    own_platform.set_faults()
    own_platform.hpc("up")
    assert deployments(own_platform) == 1
    assert own_platform.wait(second)["status"] == "SUCCEEDED"
    assert processes_in(own_platform.state_dir / "jobs") == []
    assert own_platform.wait(own_platform.submit(lines_file, "Ended", 500))["status"] == "SUCCEEDED"


def test_synthesis_lists_the_stacks_without_credentials_and_with_only_a_user_name(tmp_path):
    python = f"{sys.executable} app.py"
    node = Path(sys.executable).parent / "node"
    listed = subprocess.run(
        [str(node), str(ROOT / "node_modules/aws-cdk/bin/cdk"), "ls", "--app", python, "--output", str(tmp_path)],
        env=make_environment(tmp_path) | {"UserName": "abc", "JSII_NODE": str(node)},
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.split() == ["Production-abc", "WebApplication-abc"]
