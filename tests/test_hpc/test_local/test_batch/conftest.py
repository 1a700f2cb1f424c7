"""A Batch service behind a small HTTP server, used through boto3's own client; what it tells its host is kept."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pytest
from botocore.config import Config

from hpc.local.batch import BatchConfig, BatchError, BatchPorts, BatchService, attempt
from hpc.local.batch.process import ProcessRequest, ProcessResult
from tests.test_hpc.test_local.test_batch.warm_jobs import Jobs

REGION, ACCOUNT = "eu-central-1", "123456789012"
FINAL = ("SUCCEEDED", "FAILED")
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/batch_abc/work:latest"


class Recorder:
    """The host's side of the ports."""

    def __init__(self) -> None:
        self.sessions: list[tuple[str, str]] = []
        self.logs: dict[tuple[str, str], list[tuple[int, str]]] = {}
        self.events: list[dict[str, Any]] = []
        self.kept: list[dict[str, Any]] = []
        self.role_error: Exception | None = None

    def credentials_for_role(self, role_arn: str, session_name: str) -> dict[str, str]:
        if self.role_error:
            raise self.role_error
        self.sessions.append((role_arn, session_name))
        return {"AWS_ACCESS_KEY_ID": "ASIAX", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}

    def log_sink(self, group: str, stream: str, lines: Any) -> None:
        self.logs.setdefault((group, stream), []).extend(lines)

    def keep_job(self, job: dict[str, Any]) -> None:
        self.kept.append(json.loads(json.dumps(job)))

    def on_state_change(self, detail: dict[str, Any]) -> None:
        self.events.append(detail)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # with the default of 5, the system resets some of many connections made at once


class Batch:
    """A service with its client, one environment, one queue and short cuts for jobs."""

    def __init__(self, tmp_path: Path, **changes: Any) -> None:
        self.jobs_dir = tmp_path / "docker-image" / "BatchJob"
        (self.jobs_dir / "work").mkdir(parents=True, exist_ok=True)
        self.faults_file = tmp_path / "faults.json"
        self.scratch_dir = tmp_path / "scratch"
        self.host = Recorder()
        settings = {
            "vcpus": 2,
            "memory_mib": 4096,
            "region": REGION,
            "account": ACCOUNT,
            "jobs_dir": self.jobs_dir,
            "path_prefix": Path(sys.executable).parent,
            "scratch_dir": self.scratch_dir,
            "endpoint_url": "http://127.0.0.1:4566",
            "faults_file": self.faults_file,
            "kill_grace_s": 2.0,
        }
        self.config = BatchConfig(**{**settings, **changes})
        self.service = self.new_service()
        self._server = _Server(("127.0.0.1", 0), _handler(lambda: self.service))
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.client = boto3.client(
            "batch",
            region_name=REGION,
            endpoint_url=f"http://127.0.0.1:{self._server.server_address[1]}",
            aws_access_key_id="AKIDX",
            aws_secret_access_key="x",
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    def new_service(self) -> BatchService:
        ports = BatchPorts(
            credentials_for_role=self.host.credentials_for_role,
            log_sink=self.host.log_sink,
            on_state_change=self.host.on_state_change,
            keep_job=self.host.keep_job,
        )
        return BatchService(self.config, ports)

    def close(self) -> None:
        self.service.stop()
        self._server.shutdown()
        self._server.server_close()

    def add_queue(self, name: str = "queue", *, priority: int = 1, max_vcpus: int = 256, **more: Any) -> None:
        """A queue with an environment of its own."""
        self.client.create_compute_environment(
            computeEnvironmentName=f"{name}-environment",
            type="MANAGED",
            computeResources={
                "type": "SPOT",
                "maxvCpus": max_vcpus,
                "subnets": ["subnet-1"],
                "instanceTypes": ["r6g"],
                "instanceRole": "r",
            },
        )
        self.client.create_job_queue(
            jobQueueName=name,
            priority=priority,
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": f"{name}-environment"}],
            **more,
        )

    def define(
        self,
        name: str = "work",
        *command: str,
        vcpus: str = "1",
        memory_mib: str = "128",
        image: str = IMAGE,
        **more: Any,
    ) -> str:
        """Registers a definition and returns its ARN; `container` goes into containerProperties."""
        container = {
            "image": image,
            "command": list(command),
            "resourceRequirements": [{"type": "VCPU", "value": vcpus}, {"type": "MEMORY", "value": memory_mib}],
            **more.pop("container", {}),
        }
        return self.client.register_job_definition(
            jobDefinitionName=name, type="container", containerProperties=container, **more
        )["jobDefinitionArn"]

    def submit(self, definition: str, name: str = "job", queue: str = "queue", **more: Any) -> str:
        return self.client.submit_job(jobName=name, jobQueue=queue, jobDefinition=definition, **more)["jobId"]

    def run(self, *command: str, **more: Any) -> dict[str, Any]:
        """Defines, submits and waits; returns the job's detail."""
        submission = {
            key: more.pop(key)
            for key in ("containerOverrides", "parameters", "arrayProperties", "dependsOn")
            if key in more
        }
        return self.wait(self.submit(self.define("work", *command, **more), **submission))

    def describe(self, job_id: str) -> dict[str, Any]:
        return self.client.describe_jobs(jobs=[job_id])["jobs"][0]

    def wait(self, job_id: str, statuses: tuple[str, ...] = FINAL, timeout_s: float = 20) -> dict[str, Any]:
        """Polls DescribeJobs until the job has one of the statuses."""
        deadline = time.monotonic() + timeout_s
        while (job := self.describe(job_id))["status"] not in statuses:
            assert time.monotonic() < deadline, job
            time.sleep(0.02)
        return job

    def log(self, attempt: dict[str, Any], group: str = "/aws/batch/job") -> list[str]:
        """Lines of an attempt (or of a job's container)."""
        container = attempt.get("container", attempt)
        return [line for _, line in self.host.logs.get((group, container["logStreamName"]), [])]

    def set_faults(self, *entries: dict[str, Any]) -> None:
        self.faults_file.write_text(json.dumps(entries))


def _handler(service: Callable[[], BatchService]) -> type[BaseHTTPRequestHandler]:
    """POST /v1/<action> and the three of /v1/tags/<arn>, as Batch's rest-json has them."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            self._answer("TagResource" if "/tags/" in self.path else None, body)

        def do_GET(self) -> None:
            self._answer("ListTagsForResource", {})

        def do_DELETE(self) -> None:
            self._answer("UntagResource", {"tagKeys": parse_qs(urlsplit(self.path).query)["tagKeys"]})

        def _answer(self, action: str | None, request: dict[str, Any]) -> None:
            rest = urlsplit(self.path).path.removeprefix("/v1/")
            if action is None:
                names = {name.lower(): name for name in service().actions}
                action = names.get(rest, rest)
            else:
                request["resourceArn"] = unquote(rest.removeprefix("tags/"))
            try:
                self._send(200, service().handle(action, request), {})
            except BatchError as error:
                self._send(error.status, {"message": error.message}, {"x-amzn-ErrorType": error.code})

        def _send(self, status: int, answer: dict[str, Any], headers: dict[str, str]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


@pytest.fixture
def new_batch(tmp_path: Path) -> Iterator[Callable[..., Batch]]:
    """Makes services with settings of a test's own; all of them stop with the test."""
    made: list[Batch] = []

    def make(**changes: Any) -> Batch:
        batch = Batch(tmp_path / str(len(made)), **changes)
        made.append(batch)
        batch.add_queue()
        return batch

    yield make
    for batch in made:
        batch.close()


@pytest.fixture
def batch(new_batch: Callable[..., Batch]) -> Batch:
    """A service with 2 vCPUs and 4096 MiB, and a queue `queue`."""
    return new_batch()


@pytest.fixture
def instant_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands start no process: one `false` fails, every other one succeeds."""

    def run(request: ProcessRequest, *, on_started: Callable[[], None], **_: Any) -> ProcessResult:
        on_started()
        return ProcessResult(1 if request.command[0] == "false" else 0)

    monkeypatch.setattr(attempt, "run_process", run)


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    """Whether a process runs (a zombie does not)."""

    def check(pid: int) -> bool:
        state = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
        return bool(state.strip()) and not state.startswith("Z")

    return check


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(tmp_path)
    yield made
    made.warm.close()
