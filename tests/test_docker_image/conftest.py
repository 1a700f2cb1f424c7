"""Jobs as they run on Batch: real processes with the contract's environment, on an S3 API that enforces IAM."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from hpc.local.loopback import free_port

ROOT = Path(__file__).resolve().parents[2]
BATCH_JOB = ROOT / "docker-image" / "BatchJob"
sys.path.insert(0, str(BATCH_JOB))

REGION = "eu-central-1"
ROOT_KEY = {"aws_access_key_id": "AKIAJOBTESTS00000000", "aws_secret_access_key": "job-tests-secret"}
BUCKET = "hpc-jobs-data"
FORBIDDEN_BUCKET = "hpc-jobs-forbidden"
ACTIONS = {
    "gets": ("s3:GetObject",),
    "puts": ("s3:PutObject", "s3:AbortMultipartUpload"),
    "tagged": ("s3:PutObjectTagging",),
    "deletes": ("s3:DeleteObject",),
}


@dataclass(frozen=True)
class Stage:
    """A bucket, and jobs that run as processes under roles made of what workflow.yaml lets them read and write."""

    endpoint_url: str
    keys: Mapping[str, Mapping[str, str]]
    client: Any
    scratch: Path
    run_id: str = "20260131-093000-a1b2c3"

    def environment(self, job: str, **variables: str) -> dict[str, str]:
        clean = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(BATCH_JOB),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self.scratch),
            "TMPDIR": str(self.scratch),
            "LANG": "C.UTF-8",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_BATCH_JOB_ID": f"job-{job}",
            "AWS_BATCH_JOB_ATTEMPT": "1",
            "IMAGE": f"registry.example/{job}@sha256:0",
            "RUN_ID": self.run_id,
            "OUTPUT_BUCKET": BUCKET,
        }
        return clean | {name.upper(): value for name, value in self.keys[job].items()} | variables

    def start(self, job: str, *, command: Sequence[str] = (), **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *(command or ("-m", job))],
            env=self.environment(job, **variables),
            cwd=self.scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, job: str, *, code: int = 0, **variables: str) -> str:
        """Runs a job to its end, holds its exit code against `code`, and returns what it wrote to stderr."""
        process = self.start(job, **variables)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == code, f"{job}: {process.returncode}\n{output}\n{errors}"
        assert (output.count("\n"), " is done: " in output) == ((1, True) if code == 0 else (0, False))
        return errors

    def put(self, key: str, body: bytes, **arguments: str) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body, **arguments)

    def get(self, key: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def etag(self, key: str) -> str:
        return self.client.head_object(Bucket=BUCKET, Key=key)["ETag"].strip('"')

    def json(self, key: str) -> dict[str, Any]:
        return json.loads(self.get(key))

    def tags(self, key: str) -> dict[str, str]:
        tags = self.client.get_object_tagging(Bucket=BUCKET, Key=key)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in tags}

    def listing(self, prefix: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def unfinished_uploads(self) -> list[str]:
        return [upload["Key"] for upload in self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])]


@dataclass(frozen=True)
class Run:
    """One run of a project on one input; the methods do what the state machine does."""

    stage: Stage
    project: str
    file: str = "lines.txt"
    digits: int = 5

    @property
    def input_key(self) -> str:
        return f"uploads/{self.project}/{self.file}"

    def key(self, state: str, name: str) -> str:
        return f"result/{self.project}/{state}/{name}"

    def record_key(self, name: str) -> str:
        return f"result/{self.project}/records/{self.stage.run_id}/{name}"

    def record(self, name: str) -> dict[str, Any]:
        return self.stage.json(self.record_key(name))

    def split(self, split_num: object, *, code: int = 0, **variables: str) -> str:
        given = {"INPUT_BUCKET": BUCKET, "INPUT_KEY": self.input_key, "SPLIT_NUM": str(split_num)} | variables
        return self.stage.run("string_split", code=code, STATE="String_Split", PROJECT_NO=self.project, **given)

    def shard_name(self, index: int) -> str:
        return f"{self.file}_{index:0{self.digits}d}"

    def shard_variables(self, kind: str, index: int) -> dict[str, str]:
        return {
            "STATE": f"String_{kind.capitalize()}",
            "PROJECT_NO": self.project,
            "SHARD": self.shard_name(index),
            "INDEX": str(index),
        }

    def shard(self, kind: str, index: int, *, code: int = 0, **variables: str) -> str:
        """`kind` is repeat or reverse."""
        return self.stage.run(f"string_{kind}", code=code, **self.shard_variables(kind, index) | variables)

    def leave_outputs(self, kind: str, outputs: Sequence[bytes]) -> None:
        """Leaves these outputs and the records of their shards and of the split, as the jobs of a branch would.

        Each text is its shard's as well, which only reverse permits.
        """
        from hpc_job.text import Measure

        shards = []
        for index, output in enumerate(outputs):
            name = self.shard_name(index)
            key = self.key(f"String_{kind.capitalize()}", f"{kind}_{name}")
            self.stage.put(key, output)
            measure = Measure()
            measure.update(output)
            shards.append({"name": name} | measure.as_record())
            record = {"index": index, "shard": name, "key": key, "etag": self.stage.etag(key)} | measure.as_record()
            record["source_sha256"] = measure.sha256
            self.stage.put(self.record_key(f"String_{kind.capitalize()}/{name}.json"), json.dumps(record).encode())
        self.stage.put(self.record_key("String_Split.json"), json.dumps({"shards": shards}).encode())

    def merge(self, kind: str, *, code: int = 0, **variables: str) -> str:
        state = f"String_{kind.capitalize()}"
        given = {"INPUT_KEY": self.input_key, "SHARD_STATE": state} | variables
        return self.stage.run("string_merge", code=code, STATE=f"{state}_Merge", PROJECT_NO=self.project, **given)

    def merged(self, kind: str) -> bytes:
        return self.stage.get(self.key(f"String_{kind.capitalize()}_Merge", f"{kind}_{self.file}_merge"))


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    scratch = tmp_path_factory.mktemp("jobs")
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "AUTH": "true",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "MINISTACK_REGION": REGION,
    } | {name.upper(): value for name, value in ROOT_KEY.items()}
    log = scratch / "emulator.log"
    with log.open("w") as output:
        emulator = subprocess.Popen(
            [sys.executable, "-m", "ministack.app"], env=environment, cwd=scratch, stdout=output, stderr=output
        )
    try:
        wait_for(port, emulator, log)
        url = f"http://127.0.0.1:{port}"
        client = boto3.client("s3", endpoint_url=url, region_name=REGION, **ROOT_KEY)
        for bucket in (BUCKET, FORBIDDEN_BUCKET):
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield Stage(endpoint_url=url, keys=job_keys(url), client=client, scratch=scratch)
    finally:
        emulator.terminate()
        try:
            emulator.wait(timeout=10)
        except subprocess.TimeoutExpired:
            emulator.kill()
            emulator.wait()


@pytest.fixture
def run(stage: Stage, request: pytest.FixtureRequest) -> Run:
    """A run of a project of the test's own."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)
    return Run(stage, project=name[:60].strip("-"))


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"the S3 server did not start:\n{log.read_text()}")


def job_keys(url: str) -> dict[str, dict[str, str]]:
    """An access key for each job, which permits what workflow.yaml says and nothing else."""
    workflow = yaml.safe_load((ROOT / "workflows" / "string_processing" / "workflow.yaml").read_text())
    iam = boto3.client("iam", endpoint_url=url, region_name=REGION, **ROOT_KEY)
    keys = {}
    for job, declared in workflow["jobs"].items():
        iam.create_user(UserName=job)
        policy = {"Version": "2012-10-17", "Statement": statements(declared)}
        iam.put_user_policy(UserName=job, PolicyName="declared", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=job)["AccessKey"]
        keys[job] = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    return keys


def statements(declared: Mapping[str, Any]) -> list[dict[str, Any]]:
    accesses = [{"gets": True} | entry for entry in declared["reads"]]
    accesses += [{"puts": True} | entry for entry in declared["writes"]]
    permitted: list[dict[str, Any]] = []
    for access in accesses:
        actions = [action for flag, flag_actions in ACTIONS.items() if access.get(flag) for action in flag_actions]
        permitted.append({"Effect": "Allow", "Action": actions, "Resource": f"arn:aws:s3:::{BUCKET}/{access['keys']}"})
        if access.get("lists"):
            condition = {"StringLike": {"s3:prefix": access["keys"]}}
            bucket = f"arn:aws:s3:::{BUCKET}"
            permitted.append({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket, "Condition": condition})
    return permitted
