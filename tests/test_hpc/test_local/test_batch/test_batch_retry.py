"""Which failures are tried again: the rules alone, and through jobs."""

import pytest
from botocore.exceptions import ClientError

from hpc.local.batch.errors import BatchError
from hpc.local.batch.retry import RetryStrategy

RECLAIM = "Host EC2 (instance i-0123456789abcdef0) terminated."
EXITED = "Essential container in task exited"
OUR_RULES = [
    {"onStatusReason": "Host EC2*", "action": "RETRY"},
    {"onReason": "CannotPullContainerError:*", "action": "retry"},
    {"onReason": "*", "action": "EXIT"},
]


@pytest.mark.parametrize(
    ("conditions", "exit_code", "reason", "status_reason", "retries"),
    [
        ([], 1, None, EXITED, True),
        (OUR_RULES, None, None, RECLAIM, True),
        (OUR_RULES, None, "CannotPullContainerError: no such image", "Task failed to start", True),
        (OUR_RULES, 1, None, EXITED, False),
        (OUR_RULES[:2], 1, None, EXITED, True),
        ([{"onExitCode": "1", "action": "EXIT"}], 1, None, EXITED, False),
        ([{"onExitCode": "1", "action": "EXIT"}], 10, None, EXITED, True),
        ([{"onExitCode": "1*", "action": "EXIT"}], 137, None, EXITED, False),
        ([{"onExitCode": "2", "action": "EXIT"}, {"onExitCode": "*", "action": "RETRY"}], 2, None, EXITED, False),
        ([{"onExitCode": "1", "action": "EXIT"}], None, None, RECLAIM, True),
        ([{"onExitCode": "1", "onStatusReason": "Host*", "action": "EXIT"}], 1, None, EXITED, True),
        ([{"onStatusReason": "host EC2*", "action": "EXIT"}], None, None, RECLAIM, True),
        ([{"onStatusReason": "Host EC2", "action": "EXIT"}], None, None, RECLAIM, True),
        ([{"onReason": "AGENT", "action": "EXIT"}], None, "AGENT", "x", False),
    ],
)
def test_the_first_condition_that_matches_decides(conditions, exit_code, reason, status_reason, retries):
    strategy = RetryStrategy.parse({"attempts": 3, "evaluateOnExit": conditions})
    assert strategy.retries(1, exit_code, reason, status_reason) is retries
    assert strategy.retries(3, exit_code, reason, status_reason) is False


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ({"attempts": 0}, "attempts must be from 1 to 10, found 0"),
        ({"attempts": 11}, "found 11"),
        ({"evaluateOnExit": [{"onExitCode": "1", "action": "EXIT"}]}, "attempts must be given"),
        ({"attempts": 2, "evaluateOnExit": [{"onExitCode": "1", "action": "EXIT"}] * 6}, "at most 5 entries, found 6"),
        ({"attempts": 2, "evaluateOnExit": [{"onExitCode": "1", "action": "STOP"}]}, "RETRY or EXIT, found 'STOP'"),
        ({"attempts": 2, "evaluateOnExit": [{"onExitCode": "one", "action": "EXIT"}]}, "onExitCode .* found 'one'"),
        ({"attempts": 2, "evaluateOnExit": [{"onReason": "*a", "action": "EXIT"}]}, r"onReason .* found '\*a'"),
    ],
)
def test_a_strategy_that_aws_would_not_take_is_refused(strategy, message):
    with pytest.raises(BatchError, match=message):
        RetryStrategy.parse(strategy)


def test_no_strategy_is_one_attempt(batch):
    assert len(batch.run("false")["attempts"]) == 1


def test_each_attempt_is_listed_and_numbered(batch):
    # Given a job that fails twice and then succeeds
    script = 'echo "attempt $AWS_BATCH_JOB_ATTEMPT"; test "$AWS_BATCH_JOB_ATTEMPT" = 3'
    job = batch.run("sh", "-c", script, retryStrategy={"attempts": 5})
    # Then
    assert job["status"] == "SUCCEEDED"
    assert [attempt["container"]["exitCode"] for attempt in job["attempts"]] == [1, 1, 0]
    assert [batch.log(attempt) for attempt in job["attempts"]] == [["attempt 1"], ["attempt 2"], ["attempt 3"]]
    assert len({attempt["container"]["logStreamName"] for attempt in job["attempts"]}) == 3
    assert job["startedAt"] == job["attempts"][-1]["startedAt"]
    assert job["retryStrategy"] == {"attempts": 5}


def test_the_strategy_of_the_submission_wins(batch):
    definition = batch.define("work", "false", retryStrategy={"attempts": 5})
    assert len(batch.wait(batch.submit(definition, retryStrategy={"attempts": 2}))["attempts"]) == 2


def test_a_reclaimed_instance_is_retried_and_a_failing_job_is_not(batch):
    batch.set_faults({"job_name": "reclaimed", "times": 1, "action": "reclaim"})
    definition = batch.define("work", "true", retryStrategy={"attempts": 3, "evaluateOnExit": OUR_RULES})
    job = batch.wait(batch.submit(definition, "reclaimed"))
    assert job["status"] == "SUCCEEDED"
    assert job["attempts"][0]["statusReason"].startswith("Host EC2 (instance i-")
    assert "exitCode" not in job["attempts"][0]["container"]
    failing = batch.define("failing", "sh", "-c", "exit 4", retryStrategy={"attempts": 3, "evaluateOnExit": OUR_RULES})
    assert len(batch.wait(batch.submit(failing))["attempts"]) == 1


def test_a_definition_with_a_bad_strategy_is_not_registered(batch):
    with pytest.raises(ClientError, match="at most 5 entries"):
        batch.define(
            "work", "true", retryStrategy={"attempts": 2, "evaluateOnExit": [{"onReason": "*", "action": "EXIT"}] * 6}
        )
    assert batch.client.describe_job_definitions()["jobDefinitions"] == []
