"""A real emulator for what talks to AWS, a stack with the outputs of a deployed one, and workflow folders."""

import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

import pytest
import urllib3
from botocore.awsrequest import AWSResponse, HeadersDict

from hpc import job_definitions
from hpc import workflow_folders as folders
from hpc.connecting import to_laptop
from hpc.file_submission import check_local, submit_file
from hpc.local import batch_http
from hpc.local.batch import BatchConfig, BatchPorts, BatchService
from hpc.local.platform import PlatformState
from hpc.resume import resume
from hpc.run import Run, now
from hpc.runs import Runs
from hpc.stack import describe
from hpc.submission import new_run_id

REGION = "us-east-1"
ATTRIBUTES = ("pk", "sk", "created_at")
JOBS = ("string_split", "string_repeat", "string_reverse", "string_merge")


@pytest.fixture(scope="session")
def emulator_url(tmp_path_factory):
    """The address of an emulator of its own, as `python -m ministack.app` starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("emulator")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
    log = (folder / "emulator.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "ministack.app"], env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_it_answers(url, process, folder / "emulator.log")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_it_answers(url, process, log_file):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, log_file.read_text()
        try:
            urllib.request.urlopen(f"{url}/_ministack/health", timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the emulator did not answer: {log_file.read_text()}")


@pytest.fixture(scope="session")
def platform_state(emulator_url, tmp_path_factory):
    return PlatformState(
        pid=os.getpid(),
        endpoint_url=emulator_url,
        web_url=None,
        data_dir=str(tmp_path_factory.mktemp("data")),
        region=REGION,
        stack_name="Production-test",
        access_key_id="test",
        secret_access_key="test",
    )


@pytest.fixture(scope="session")
def connection(platform_state, tmp_path_factory):
    """Talks to the emulator, and about Batch to our Batch service in this process: both are the real ones."""
    connection = to_laptop(platform_state)
    service = _batch_service(connection, tmp_path_factory.mktemp("scratch"))

    def send(request, **_):
        url = urllib.parse.urlsplit(request.url)
        status, headers, body = batch_http.answer(service, request.method, url.path, request.body or b"", {})
        return AWSResponse(
            request.url, status, HeadersDict(headers), urllib3.HTTPResponse(io.BytesIO(body), preload_content=False)
        )

    connection.client("batch").meta.events.register("before-send.batch", send)
    yield connection
    service.stop()


def _batch_service(connection, folder):
    logs = connection.client("logs")
    logs.create_log_group(logGroupName="/aws/batch/job")
    streams = set()
    for job in JOBS:
        (folder / "images" / job).mkdir(parents=True)

    def write_logs(group, stream, lines):
        if stream not in streams:
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
            streams.add(stream)
        events = [{"timestamp": time_ms, "message": text} for time_ms, text in lines]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    return BatchService(
        BatchConfig(
            vcpus=4,
            memory_mib=1024,
            region=REGION,
            account="000000000000",
            jobs_dir=folder / "images",
            path_prefix=Path(sys.executable).parent,
            scratch_dir=folder / "jobs",
            endpoint_url=connection.endpoint_url,
            kill_grace_s=1.0,
        ),
        BatchPorts(
            credentials_for_role=lambda role_arn, session_name: {},
            log_sink=write_logs,
            on_state_change=lambda detail: None,
        ),
    )


@pytest.fixture(scope="session")
def stack(connection):
    """The outputs of a stack with a bucket, a run table, job definitions and a state machine that waits for an hour."""
    bucket, table = "data-bucket", "run-table"
    connection.client("s3").create_bucket(Bucket=bucket)
    connection.client("s3").create_bucket(Bucket="other-bucket")
    connection.client("dynamodb").create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ATTRIBUTES],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "RunsByTime",
                "KeySchema": [
                    {"AttributeName": "sk", "KeyType": "HASH"},
                    {"AttributeName": "created_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            },
        ],
    )
    states = {"Is_Short": {"Type": "Wait", "Seconds": 3600, "End": True}}
    machine_arn = _state_machine(connection, "string_processing", states)
    outputs = {
        "S3BucketForAWSBatch": bucket,
        "RunTableName": table,
        "NotificationTopicArn": f"arn:aws:sns:{REGION}:000000000000:topic",
        "StateMachineArns": {"string_processing": machine_arn},
        "JobDefinitionArns": {"string_processing": _job_definitions(connection)},
        "JobQueueArns": _job_queues(connection),
        "RootVolumeGib": "200",
        "AllowedInputs": [
            {"bucket": bucket, "keys": ["uploads/*", "source/*"]},
            {"bucket": "other-bucket", "keys": ["raw/*"]},
        ],
        "AllowedOutputs": [{"bucket": bucket, "keys": ["result/*"]}],
    }
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in outputs.items()}
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {key: {"Value": text} for key, text in texts.items()},
    }
    connection.client("cloudformation").create_stack(StackName=connection.stack_name, TemplateBody=json.dumps(template))
    connection.client("cloudformation").get_waiter("stack_create_complete").wait(
        StackName=connection.stack_name, WaiterConfig={"Delay": 0.1}
    )
    return describe(connection)


def _job_definitions(connection):
    arns = {}
    for job in JOBS:
        for _ in range(2):
            answer = connection.client("batch").register_job_definition(
                jobDefinitionName=f"test-{job}",
                type="container",
                containerProperties={
                    "image": f"registry.example/{job}:latest",
                    "command": ["sh", "-c", "echo started; eval $DO"],
                    "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}],
                },
                timeout={"attemptDurationSeconds": 3600},
            )
            # The stack's output names the first revision; a push has registered another since.
            arns.setdefault(job, answer["jobDefinitionArn"])
    return arns


def _job_queues(connection):
    arns = {}
    environment = connection.client("batch").create_compute_environment(
        computeEnvironmentName="test",
        type="MANAGED",
        computeResources={
            "type": "EC2",
            "minvCpus": 0,
            "maxvCpus": 4,
            "subnets": ["subnet-1"],
            "securityGroupIds": ["sg-1"],
            "instanceTypes": ["r6g"],
            "instanceRole": "role",
        },
    )
    for architecture in ("graviton", "x86"):
        for use in ("first_try", "next_tries"):
            answer = connection.client("batch").create_job_queue(
                jobQueueName=f"{architecture}-{use}",
                priority=1,
                computeEnvironmentOrder=[{"order": 1, "computeEnvironment": environment["computeEnvironmentArn"]}],
            )
            arns.setdefault(architecture, {})[use] = answer["jobQueueArn"]
    return arns


def _state_machine(connection, name, states):
    answer = connection.client("stepfunctions").create_state_machine(
        name=name,
        definition=json.dumps({"StartAt": next(iter(states)), "States": states}),
        roleArn="arn:aws:iam::000000000000:role/states",
    )
    return answer["stateMachineArn"]


@pytest.fixture
def start_execution(connection):
    """Starts an execution of a machine with these states and gives its ARN."""

    def start(states, name=None, **given):
        machine_arn = _state_machine(connection, f"machine-{uuid.uuid4().hex[:8]}", states)
        answer = connection.client("stepfunctions").start_execution(
            stateMachineArn=machine_arn, name=name or uuid.uuid4().hex, input=json.dumps(given)
        )
        return answer["executionArn"]

    return start


@pytest.fixture
def project():
    """A project's name that no other test uses."""
    return f"Project-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def runs(connection, stack):
    return Runs(connection, stack.run_table)


@pytest.fixture
def make_run(runs, project):
    """Writes a row and gives the run."""

    def make(**changes):
        run = Run(
            **{
                "run_id": new_run_id(),
                "workflow": "string_processing",
                "project": project,
                "status": "PENDING",
                "created_at": now(),
                "parameters": {"ProjectNo": project, "SPLIT_NUM": 10, "architecture": "x86"},
                "input_etag": "etag",
            }
            | changes
        )
        runs.create(run)
        return run

    return make


@pytest.fixture
def submit_job(connection, stack):
    """Submits a job of a run's task that does `command` (shell); gives its id."""

    def submit(run_id, task, command="true", queue="first_try", architecture="graviton"):
        answer = connection.client("batch").submit_job(
            jobName=f"{run_id}-{task}",
            jobQueue=stack.job_queues[architecture][queue],
            jobDefinition=stack.job_definitions["string_processing"]["string_split"],
            containerOverrides={"environment": [{"name": "DO", "value": command}]},
        )
        return answer["jobId"]

    return submit


@pytest.fixture
def wait_for(connection):
    """Waits until a job has one of these statuses; gives its description."""

    def wait(job_id, *statuses):
        deadline = time.monotonic() + 5
        while True:
            job = connection.client("batch").describe_jobs(jobs=[job_id])["jobs"][0]
            if job["status"] in (statuses or ("SUCCEEDED", "FAILED")):
                return job
            assert time.monotonic() < deadline, json.dumps(job, indent=1)
            time.sleep(0.05)

    return wait


class Digests:
    """Digests of images by their names; the same as long as nobody calls `change`."""

    def __init__(self):
        self._versions = {}

    def change(self, image):
        self._versions[image] = self._versions.get(image, 0) + 1

    def of(self, _connection, reference):
        image = reference.rpartition("/")[2].partition(":")[0]
        return f"digest of {image}, version {self._versions.get(image, 0)}"


@pytest.fixture(autouse=True)
def image_digests(monkeypatch):
    """What the images' names stand for: the tests' jobs have no folders whose digest could be made."""
    digests = Digests()
    monkeypatch.setattr(job_definitions, "image_id", digests.of)
    return digests


@pytest.fixture
def string_processing():
    return folders.load("string_processing")


@pytest.fixture
def counting_yaml():
    """The workflow.yaml of a made-up workflow that takes no file and makes no shards."""
    return (Path(__file__).parent / "counting.yaml").read_text()


@pytest.fixture
def workflow_folders(tmp_path, monkeypatch):
    """Replaces `workflows/` by an empty folder with the real schema; gives a function that adds a workflow to it."""
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "schema.json").write_text((folders.workflows_dir() / "schema.json").read_text())
    monkeypatch.setattr(folders, "workflows_dir", lambda: folder)

    def add(name, text):
        (folder / name).mkdir()
        (folder / name / "workflow.yaml").write_text(text)
        return folder / name / "workflow.yaml"

    return add


@pytest.fixture
def running_job(submit_job, wait_for):
    """Submits a job of a run's task that runs until it is ended; gives its id once it runs."""

    def start(run_id, task):
        job_id = submit_job(run_id, task, "sleep 600")
        wait_for(job_id, "RUNNING")
        return job_id

    return start


@pytest.fixture
def make_ended_run(connection, make_run, start_execution):
    """Gives a run whose execution of these states is over, while its row says something else."""

    def make(states, **changes):
        execution_arn = start_execution(states)
        deadline = time.monotonic() + 10
        while connection.client("stepfunctions").describe_execution(executionArn=execution_arn)["status"] == "RUNNING":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return make_run(execution_arn=execution_arn, **changes)

    return make


@pytest.fixture
def states(connection):
    return connection.client("stepfunctions")


@pytest.fixture
def submitted(connection, stack, string_processing, project, tmp_path):
    """A run that goes on, of a file of three lines in two shards."""
    file = tmp_path / "lines.txt"
    file.write_text("one\ntwo\nthree\n")
    values, local = check_local(string_processing, {"ProjectNo": project, "SPLIT_NUM": 2}, file, on_laptop=True)
    run = submit_file(connection, stack, string_processing, values, local, overwrite=False, say=lambda _: None)
    return Runs(connection, stack.run_table).get(run.run_id)


@pytest.fixture
def do_resume(connection, stack, string_processing):
    def do(run, **options):
        return resume(connection, stack, string_processing, run, rest_s=0, **options)

    return do
