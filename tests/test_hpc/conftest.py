"""Connection and stack of a platform that is emulated for real; runs, jobs and workflow folders."""

import io
import json
import os
import time
import urllib.parse
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
from hpc.local.platform import PlatformState
from hpc.resume import resume
from hpc.run import Run, now
from hpc.runs import Runs
from hpc.submission import new_run_id
from tests.test_hpc.emulated_stack import REGION, batch_service, create_stack, create_state_machine, serving_emulator


@pytest.fixture(scope="session")
def emulator_url(tmp_path_factory):
    """The address of an emulator of its own."""
    with serving_emulator(tmp_path_factory.mktemp("emulator")) as url:
        yield url


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
    service = batch_service(connection, tmp_path_factory.mktemp("scratch"))

    def send(request, **_):
        url = urllib.parse.urlsplit(request.url)
        status, headers, body = batch_http.answer(service, request.method, url.path, request.body or b"", {})
        return AWSResponse(
            request.url, status, HeadersDict(headers), urllib3.HTTPResponse(io.BytesIO(body), preload_content=False)
        )

    connection.client("batch").meta.events.register("before-send.batch", send)
    yield connection
    service.stop()


@pytest.fixture(scope="session")
def stack(connection):
    """A stack with the outputs of a deployed one, whose state machine waits for an hour."""
    return create_stack(connection)


@pytest.fixture
def start_execution(connection):
    """Starts an execution of a machine with these states and gives its ARN."""

    def start(states, name=None, **given):
        machine_arn = create_state_machine(connection, f"machine-{uuid.uuid4().hex[:8]}", states)
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
