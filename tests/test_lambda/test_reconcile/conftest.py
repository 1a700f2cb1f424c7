"""A platform for the reconciler: rows and executions are real, what Batch has is made up."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace

import boto3
import pytest

from tests.test_lambda.batch_history import QUEUE, RUN_ID
from tests.test_lambda.conftest import load_function

DEFINITION = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}


@pytest.fixture(scope="session")
def modules() -> SimpleNamespace:
    """All modules of reconcile, by name."""
    return load_function("reconcile")


@pytest.fixture(scope="session")
def recording() -> SimpleNamespace:
    """All modules of record_event, by name."""
    return load_function("record_event")


@dataclass
class Known:
    """A platform of which Batch's part is made up; messages go straight to Record_Event, and are kept."""

    table: object
    record: object
    as_json: object
    jobs: list[dict] = field(default_factory=list)
    machines: list[str] = field(default_factory=list)
    sent: list[dict] = field(default_factory=list)

    def list_jobs(self, run_id: str, architecture: str | None) -> list[dict]:
        """As ListJobs tells them: without attempts."""
        assert run_id == RUN_ID
        named = ("jobName", "jobId", "status", "createdAt", "arrayProperties")
        return [{name: job[name] for name in named if name in job} for job in self.jobs if ":" not in job["jobId"]]

    def describe_jobs(self, job_ids: Iterable[str]) -> list[dict]:
        wanted = set(job_ids)
        return [job for job in self.jobs if job["jobId"] in wanted]

    def send(self, messages: list[dict]) -> None:
        self.sent += messages
        bodies = [json.dumps(message, default=self.as_json) for message in messages]
        assert self.record(bodies) == []


@pytest.fixture
def known(recording, modules, run_table, monkeypatch):
    monkeypatch.setenv("JOB_QUEUES", json.dumps([{"arn": QUEUE, "architecture": "graviton"}]))
    monkeypatch.setattr(recording.record_event, "find_places", lambda _: {})
    recording.warm_clients.client.cache_clear()
    modules.platform_access.client.cache_clear()

    def record(bodies):
        records = [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]
        return recording.record_event.handler({"Records": records}, None)["batchItemFailures"]

    return Known(boto3.resource("dynamodb").Table(run_table.name), record, modules.platform_access.as_json)


@pytest.fixture
def reconcile(modules, known):
    """Reconciles the run once; returns what was done."""
    run = modules.open_runs.OpenRun(RUN_ID, "arn:execution")
    return lambda: modules.one_run.RunReconciler(known, run).reconcile()


@pytest.fixture
def machine(known):
    """A state machine in the local Step Functions; starts executions that wait."""
    states = boto3.client("stepfunctions")
    role = "arn:aws:iam::000000000000:role/any"
    name = f"Machine-{known.table.name[-8:]}"
    arn = states.create_state_machine(name=name, definition=json.dumps(DEFINITION), roleArn=role)["stateMachineArn"]
    known.machines = [arn]

    def start(number=1, run_id=RUN_ID, *, name=None, text=None):
        given = json.dumps({"run_id": run_id}) if text is None else text
        return states.start_execution(stateMachineArn=arn, name=name or f"{run_id}-{number}", input=given)[
            "executionArn"
        ]

    yield SimpleNamespace(start=start, states=states)
    for execution in states.list_executions(stateMachineArn=arn, statusFilter="RUNNING")["executions"]:
        states.stop_execution(executionArn=execution["executionArn"])
