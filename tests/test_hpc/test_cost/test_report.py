"""Cost and estimate of runs in a real table, with queues of a real Batch service."""

import json

import pytest

from hpc import job_definitions
from hpc.cost.interval import Interval
from hpc.cost.report import Costs, error_of

HOUR = {"started_at": "2026-01-31T10:00:00.000Z", "stopped_at": "2026-01-31T11:00:00.000Z", "exit_code": 0}


@pytest.fixture
def table(connection, stack):
    return connection.table(stack.run_table)


@pytest.fixture
def start_run(make_run, stack, project):
    """Writes the row of a run with its first execution."""

    def start(**changes):
        usual = {"ProjectNo": project, "INPUT_BUCKET": stack.bucket, "INPUT_KEY": "uploads/a", "SPLIT_NUM": 10}
        return make_run(**{"execution_arn": "arn:1", "parameters": usual, **changes})

    return start


@pytest.fixture
def costs(connection, stack, string_processing):
    return Costs(connection, stack, string_processing)


@pytest.fixture
def add_task(table, stack):
    """Writes a row of a task with one job of an hour on a given queue."""

    def add(run, index=0, *, status="SUCCEEDED", queue="first_try"):
        job = {
            "status": status,
            "queue": stack.job_queues["graviton"][queue].rpartition("/")[2],
            "architecture": "graviton",
            "vcpus": 1,
            "memory_mib": 2048,
            "attempts": [HOUR],
        }
        table.put_item(
            Item={
                "pk": f"RUN#{run.run_id}",
                "sk": f"TASK#String_Repeat#{index:06d}",
                "state": "String_Repeat",
                "index": index,
                "status": status,
                "job:0000000000001:a": job,
            }
        )

    return add


@pytest.fixture
def settle(table, runs):
    """Writes what the reconciler writes of a run whose rows are what they stay."""

    def settled(run):
        table.update_item(
            Key={"pk": f"RUN#{run.run_id}", "sk": "META"},
            UpdateExpression="SET settled = :execution, #status = :status",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":execution": run.execution_arn, ":status": "SUCCEEDED"},
        )
        return runs.row(run.run_id)

    return settled


def test_a_run_that_goes_on_costs_what_its_rows_have(costs, start_run, add_task, table):
    run = start_run()
    add_task(run)
    add_task(run, 1, status="FAILED")
    found = costs.of(run)
    assert found["on_demand_usd"] == {"low": 0.1008, "high": 0.1008}
    assert 0.1008 < found["cost_usd"]["low"] <= found["cost_usd"]["high"] < 0.102
    assert found["failed_attempts_usd"] == {"low": 0.0504, "high": 0.0504}
    assert (found["is_settled"], found["estimate"], found["estimate_error"]) == (False, None, None)
    assert "cost" not in table.get_item(Key={"pk": f"RUN#{run.run_id}", "sk": "META"})["Item"]
    assert json.loads(json.dumps(found)) == found


def test_what_a_settled_run_cost_is_kept_and_not_asked_for_again(costs, start_run, add_task, settle, runs):
    run = start_run(estimate={"cost_usd": {"low": 0.01, "high": 0.02}, "basis": "earlier runs"})
    add_task(run)
    first = costs.of(settle(run))
    assert (first["is_settled"], first["estimate_error"]) == (True, pytest.approx(0.0504 / 0.02 - 1, abs=0.05))
    assert runs.row(run.run_id).cost["on_demand_usd"] == {"low": 0.0504, "high": 0.0504}
    add_task(run, 1)
    assert costs.of(runs.row(run.run_id)) == first


def test_a_resumed_run_is_counted_anew(costs, start_run, add_task, settle, runs):
    run = settle(start_run())
    add_task(run)
    costs.of(run)
    ended = runs.row(run.run_id)
    assert ended.cost
    again = type(ended)(**{**vars(ended), "status": "PENDING", "execution_arn": "arn:2"})
    assert runs.restart(ended, again)
    add_task(run, 1)
    now = runs.row(run.run_id)
    assert (now.cost, now.is_settled) == ({}, False)
    assert costs.of(now)["on_demand_usd"] == {"low": 0.1008, "high": 0.1008}


@pytest.fixture
def uploaded(connection, stack, project):
    """Parameters of an object of 20 lines that is in S3."""
    connection.client("s3").put_object(Bucket=stack.bucket, Key="uploads/estimate.txt", Body=b"line\n" * 20)
    return {"ProjectNo": project, "INPUT_BUCKET": stack.bucket, "INPUT_KEY": "uploads/estimate.txt", "SPLIT_NUM": 10}


@pytest.fixture
def definitions(connection, stack, string_processing):
    return job_definitions.newest(connection, stack, string_processing)


@pytest.fixture
def expected(costs, uploaded, definitions):
    """Gives the estimate of a run on the object, on an architecture."""

    def of(architecture, **shards):
        given = {**uploaded, "architecture": architecture}
        return costs.estimate(given, definitions, input_bytes=100, **{"shards": None, **shards}).as_json()

    return of


def test_an_estimate_comes_from_earlier_runs_when_there_are_any(expected, start_run, add_task, settle, uploaded):
    # Of 2 shards: 1 + 2 * 2 + 2 tasks of at most an hour.
    sampled = expected("graviton-of-this-test")
    assert sampled == expected("graviton-of-this-test", shards=2)
    assert sampled["basis"] == "job definitions"
    assert sampled["cost_usd"]["high"] == pytest.approx(7 * 0.0504, rel=0.01)
    assert sampled["cost_usd"]["low"] == pytest.approx(7 * 0.0504 / 3600, abs=0.0005)
    given = {**uploaded, "architecture": "architecture-of-this-test"}
    run = start_run(parameters=given, input_bytes=50)
    add_task(run)
    settle(run)
    found = expected("architecture-of-this-test")
    assert (found["basis"], found["runs"]) == ("earlier runs", 1)
    # Twice the bytes, and so many more shards.
    assert found["cost_usd"]["low"] == pytest.approx(0.1008, rel=0.01)


def test_few_runs_are_counted_anew_for_an_estimate_and_all_that_are_kept(
    expected, start_run, add_task, settle, uploaded
):
    given = {**uploaded, "architecture": "architecture-of-many-runs"}
    for number in range(5):
        run = start_run(parameters=given, input_bytes=50, execution_arn=f"arn:{number}")
        add_task(run)
        settle(run)
    assert expected("architecture-of-many-runs")["runs"] == 3
    # Those three are in their rows now.
    assert expected("architecture-of-many-runs")["runs"] == 5


@pytest.mark.parametrize(
    ("cost", "error"),
    [((1, 2), 0.0), ((0.5, 1), 0.0), ((2, 9), 0.0), ((3, 4), 0.5), ((0.25, 0.5), -0.5)],
)
def test_the_error_of_an_estimate_is_by_what_part_the_cost_is_beyond_a_bound(cost, error):
    assert error_of(Interval(1, 2), Interval(*cost)) == error
