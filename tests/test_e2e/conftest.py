"""The whole platform, once for all tests here: real `hpc up`, real CDK deployment, real jobs."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from hpc.local.loopback import free_port

ROOT = Path(__file__).resolve().parents[2]
HPC = Path(sys.executable).parent / "hpc"
_SEEDS = itertools.count(1_000)
FINAL = {"SUCCEEDED", "FAILED", "CANCELLED"}


@dataclass(frozen=True)
class Platform:
    """A running platform with a state directory of its own, used the way a person does: through `hpc`."""

    environment: dict[str, str]
    state_dir: Path
    port: int

    def hpc(self, *arguments: object, check: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Runs `hpc`; fails the test when it ends with another code than `check` (None: any)."""
        ended = subprocess.run(
            [str(HPC), *map(str, arguments)],
            env=self.environment,
            cwd=self.state_dir,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        if check is not None:
            assert ended.returncode == check, f"hpc {arguments}: {ended.returncode}\n{ended.stdout}\n{ended.stderr}"
        return ended

    @property
    def key(self) -> dict[str, Any]:
        return json.loads((self.state_dir / "platform.json").read_text())

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=self.key["region"],
            aws_access_key_id=self.key["access_key_id"],
            aws_secret_access_key=self.key["secret_access_key"],
        )

    def output(self, name: str) -> Any:
        """An output of the deployed stack; JSON texts are parsed."""
        stack = self.client("cloudformation").describe_stacks(StackName=self.key["stack_name"])["Stacks"][0]
        text = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}[name]
        return json.loads(text) if text[:1] in "[{" else text

    def show(self, run_id: str) -> dict[str, Any]:
        return json.loads(self.hpc("show", run_id, "--json").stdout)

    def wait(self, run_id: str, timeout_s: float = 120) -> dict[str, Any]:
        """Waits until the run is final and returns what `hpc show --json` says of it."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            seen = self.show(run_id)
            if seen["status"] in FINAL:
                return seen
            time.sleep(0.5)
        raise AssertionError(f"run {run_id} is still {seen['status']} after {timeout_s} s: {seen}")

    def submit(self, file: Path, project: str, lines_per_shard: int, *more: object) -> str:
        submitted = self.hpc("submit", file, "--project", project, "--lines-per-shard", lines_per_shard, *more)
        return submitted.stdout.strip()

    def start_directly(self, name: str, **given: Any) -> str:
        """Starts an execution past the command line, as a person in the console can."""
        machine = self.output("StateMachineArns")["string_processing"]
        started = self.client("stepfunctions").start_execution(
            stateMachineArn=machine, name=name, input=json.dumps(given)
        )
        return started["executionArn"]

    def wait_for_execution(self, arn: str, timeout_s: float = 120) -> dict[str, Any]:
        machines = self.client("stepfunctions")
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            seen = machines.describe_execution(executionArn=arn)
            if seen["status"] != "RUNNING":
                return seen
            time.sleep(0.3)
        raise AssertionError(f"{arn} is still running after {timeout_s} s")

    def row(self, run_id: str) -> dict[str, Any]:
        """The run's row, in DynamoDB's typed JSON."""
        key = {"pk": {"S": f"RUN#{run_id}"}, "sk": {"S": "META"}}
        return self.client("dynamodb").get_item(TableName=self.output("RunTableName"), Key=key)["Item"]

    def jobs(self, run_id: str) -> list[dict[str, Any]]:
        """Every Batch job of the run, with its attempts, oldest first."""
        batch = self.client("batch")
        found = []
        for queues in self.output("JobQueueArns").values():
            for queue in queues.values():
                filters = [{"name": "JOB_NAME", "values": [f"{run_id}-*"]}]
                pages = batch.get_paginator("list_jobs").paginate(jobQueue=queue, filters=filters)
                ids = [job["jobId"] for page in pages for job in page["jobSummaryList"]]
                for start in range(0, len(ids), 100):
                    found += batch.describe_jobs(jobs=ids[start : start + 100])["jobs"]
        return sorted(found, key=lambda job: job["createdAt"])

    def children(self, run_id: str) -> list[dict[str, Any]]:
        """Every child of the run's array jobs, with its attempts."""
        batch = self.client("batch")
        found = []
        for parent in (job for job in self.jobs(run_id) if job.get("arrayProperties", {}).get("size")):
            for status in ("SUCCEEDED", "FAILED"):
                pages = batch.get_paginator("list_jobs").paginate(arrayJobId=parent["jobId"], jobStatus=status)
                ids = [job["jobId"] for page in pages for job in page["jobSummaryList"]]
                for start in range(0, len(ids), 100):
                    found += batch.describe_jobs(jobs=ids[start : start + 100])["jobs"]
        return found

    def set_faults(self, *faults: dict[str, Any]) -> None:
        """Puts these fault switches in the place of all others.

        A switch counts its hits by its whole text, so that of a test before with the same text may have none left: a
        seed of its own makes each one new.
        """
        new = [{"seed": next(_SEEDS), **fault} for fault in faults]
        (self.state_dir / "faults.json").write_text(json.dumps(new))


def wait_until(condition: Callable[[], bool], timeout_s: float = 60, *, every_s: float = 0.1) -> None:
    """Returns when the condition holds; fails the test when it does not within the time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(every_s)


def make_environment(state_dir: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "LANG") if name in os.environ}
    return {**kept, "HPC_STATE_DIR": str(state_dir), "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    state_dir = tmp_path_factory.mktemp("platform")
    made = Platform(make_environment(state_dir), state_dir, free_port())
    try:
        made.hpc("up", "--port", made.port)
        yield made
        made.hpc("down")
    finally:
        made.hpc("down", check=None)
        kept = ROOT / ".ci-logs" / "platform"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(state_dir / "logs", kept, dirs_exist_ok=True)


@pytest.fixture(autouse=True)
def no_faults_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test's fault switches end with it."""
    yield
    if "platform" in request.fixturenames:
        request.getfixturevalue("platform").set_faults()


@pytest.fixture
def lines_file(tmp_path: Path) -> Path:
    """1,000 short lines."""
    file = tmp_path / "lines.txt"
    file.write_text("".join(f"line {number} of a thousand\n" for number in range(1000)))
    return file
