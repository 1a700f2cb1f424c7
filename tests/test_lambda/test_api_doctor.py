"""Why a run waits, as the API tells it."""

import json
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
import yaml

from hpc.run import Run
from hpc.stack import Stack
from tests.denied_connection import denied_connection
from tests.test_lambda.api_calls import event
from tests.test_lambda.conftest import FUNCTIONS

QUEUES = {use: f"arn:aws:batch:us-east-1:123456789012:job-queue/{use}" for use in ("first_try", "next_tries")}
JOBS = ("string_split", "string_repeat", "string_reverse", "string_merge")
PARAMETERS = {"ProjectNo": "P", "INPUT_BUCKET": "b", "INPUT_KEY": "k", "OUTPUT_BUCKET": "b", "architecture": "x86"}
RUN = Run(
    run_id="R1", workflow="string_processing", project="P", status="RUNNING", created_at="", parameters=PARAMETERS
)


@pytest.fixture
def stack() -> Stack:
    return Stack(
        name="Production-test",
        bucket="b",
        run_table="Runs",
        state_machines={},
        job_definitions={"string_processing": {job: f"arn:job-definition/{job}:1" for job in JOBS}},
        job_queues={"graviton": QUEUES, "x86": QUEUES},
        allowed_inputs=(),
        allowed_outputs=(),
        notification_topic="arn:topic",
        root_volume_gib=30,
    )


def doctor_of(function: SimpleNamespace, deployed: Stack) -> tuple[int, dict[str, Any]]:
    """The answer where AWS tells nothing."""

    class OfOneRun(function.deployment.Deployment):
        runs = SimpleNamespace(get=lambda _run_id: RUN, with_parameters=lambda run: run)
        stack = deployed

    described = yaml.safe_load((FUNCTIONS.parent / "workflows/string_processing/workflow.yaml").read_text("utf-8"))
    workflows = function.deployment.read_workflows([json.loads(json.dumps(described))])
    environment = function.deployment.Environment("Production-test", "api", (), ())
    deployment = OfOneRun(environment, denied_connection(), workflows)
    asked = event(resource="/runs/{run_id}/doctor", path={"run_id": "R1"})
    answer = function.api.answer(lambda: deployment, asked, None)
    return answer.status, answer.document


def test_a_check_that_may_not_look_is_unknown_and_says_what_it_would_need(function, stack):
    status, document = doctor_of(function, stack)
    assert status == 200
    jsonschema.validate(document, function.schemas.COMPONENTS["Doctor"])
    lines = document["lines"]
    assert {line["status"] for line in lines} == {"unknown"}
    assert lines[0] == {
        "check": "Run",
        "status": "unknown",
        "sentence": "could not be checked: DescribeJobQueues answered AccessDeniedException: not you",
        "fix": "ask for the permission to call DescribeJobQueues",
    }
    assert [line["check"] for line in lines[1:3]] == ["Input", "Compute environments"]


def test_no_check_is_begun_for_which_api_gateway_would_not_wait(function, stack, monkeypatch):
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr("hpc.doctor.time", SimpleNamespace(monotonic=lambda: next(clock)))
    _, document = doctor_of(function, stack)
    began = [line["check"] for line in document["lines"] if "DescribeJobQueues" in line["sentence"]]
    assert began == ["Run"]
    assert "took all the time" in document["lines"][-1]["sentence"]
