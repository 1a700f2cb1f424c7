"""GET /platform: what Batch says of the stack's queues, in the shape that is described."""

from __future__ import annotations

from types import SimpleNamespace

import boto3
import jsonschema
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from hpc.connection import Connection
from tests.test_lambda.api_calls import event

ARN = "arn:aws:batch:us-east-1:123456789012:"
QUEUE = f"{ARN}job-queue/First"
SPOT = f"{ARN}compute-environment/Spot"


@pytest.fixture
def deployment():
    """One whose stack has one queue; it must be asked for exactly this."""
    session = boto3.Session("key", "secret", region_name="us-east-1")
    connection = Connection(stack_name="Production-abc", is_laptop=False, session=session, config=Config())
    batch = Stubber(connection.client("batch"))
    queue = {"jobQueueName": "First", "jobQueueArn": QUEUE, "state": "ENABLED", "priority": 1, "status": "VALID"}
    order = [{"order": 1, "computeEnvironment": SPOT}]
    batch.add_response("describe_job_queues", {"jobQueues": [queue | {"computeEnvironmentOrder": order}]}, {
        "jobQueues": [QUEUE]})  # fmt: skip
    spot = {"computeEnvironmentName": "Spot", "computeEnvironmentArn": SPOT, "state": "ENABLED", "status": "VALID"}
    resources = {"type": "SPOT", "maxvCpus": 64, "instanceTypes": ["c7g"], "subnets": ["subnet-1"]}
    described = {"computeEnvironments": [spot | {"computeResources": resources}]}
    batch.add_response("describe_compute_environments", described, {"computeEnvironments": [SPOT]})
    for status in ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"):
        jobs = [{"jobId": "a", "jobName": "R1-Split-0"}] if status == "RUNNABLE" else []
        batch.add_response("list_jobs", {"jobSummaryList": jobs}, {"jobQueue": "First", "jobStatus": status})
    with batch:
        stack = SimpleNamespace(job_queues={"graviton": {"first_try": QUEUE}})
        environment = SimpleNamespace(trusted_roles=())
        yield SimpleNamespace(connection=connection, stack=stack, environment=environment)
    batch.assert_no_pending_responses()


def test_queues_are_answered_with_environments_and_counts_as_described(function, deployment):
    answer = function.api.answer(lambda: deployment, event("GET", "/platform"), None)
    assert answer.status == 200
    [queue] = answer.document["queues"]
    assert (queue["name"], queue["use"], queue["max_vcpus"], queue["at_least"]) == ("First", "first_try", 64, [])
    assert queue["environments"] == [
        {"name": "Spot", "kind": "SPOT", "state": "ENABLED", "status": "VALID", "max_vcpus": 64,
         "instance_types": ["c7g"]},
    ]  # fmt: skip
    assert {status: count for status, count in queue["jobs"].items() if count} == {"RUNNABLE": 1}
    components = {"schemas": function.schemas.COMPONENTS}
    jsonschema.validate(answer.document, {"$ref": "#/components/schemas/Platform", "components": components})
    assert set(queue) == set(function.schemas.QUEUE["properties"])


def test_the_states_of_jobs_are_batch_s(function):
    session = boto3.Session("key", "secret", region_name="us-east-1")
    shape = session.client("batch").meta.service_model.shape_for("JobStatus")
    assert [*function.schemas.JOB_STATUSES] == [*shape.enum]
