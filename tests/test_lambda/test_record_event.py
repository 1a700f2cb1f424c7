"""Record_Event: rows only move forward, whatever comes late, twice, in another order or not at all."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.test_lambda.batch_history import QUEUE, RUN_ID, History, deliveries, histories, job_history
from tests.test_lambda.conftest import load_function

RUN = f"RUN#{RUN_ID}"
TASK = "TASK#String_Repeat#000003"
ARN = "arn:aws:states:us-east-1:123456789012:execution:Machine:20260102-030405-abc123-1"
# The table is one for all examples; each cleans up what it wrote.
WITH_TABLE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="session")
def modules() -> SimpleNamespace:
    """All modules of record_event, by name."""
    return load_function("record_event")


@pytest.fixture
def record(modules, run_table, monkeypatch):
    """Calls the function with details of jobs, or with whole bodies; returns the numbers of messages that failed."""
    monkeypatch.setenv("JOB_QUEUES", json.dumps([{"arn": QUEUE, "architecture": "graviton"}]))
    modules.warm_clients.client.cache_clear()
    # Nothing here knows container instances; what EC2 says of them is tested by itself.
    monkeypatch.setattr(modules.record_event, "find_places", lambda _: {})

    def call(*details, bodies=None):
        records = [
            {"messageId": str(number), "body": body if isinstance(body, str) else json.dumps(body)}
            for number, body in enumerate(bodies or [job_event(detail) for detail in details])
        ]
        answer = modules.record_event.handler({"Records": records}, None)
        return [int(failure["itemIdentifier"]) for failure in answer["batchItemFailures"]]

    return call


def job_event(detail, **more):
    seen = datetime.fromtimestamp(detail.get("seen", detail["createdAt"]) // 1000, UTC)
    return {
        "source": "aws.batch",
        "detail-type": "Batch Job State Change",
        "time": seen.isoformat().replace("+00:00", "Z"),
        "detail": detail,
        **more,
    }


def execution_event(status, **detail):
    told = {"executionArn": ARN, "name": f"{RUN_ID}-1", "status": status, "input": json.dumps({"run_id": RUN_ID})}
    return {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "time": "2026-01-02T03:10:00Z",
        "detail": {**told, **detail},
    }


def without_times_of_sight(row):
    """A row but for when its state was seen, in which only the order of equal states differs."""
    return {**row, "version": row["version"].rpartition(":")[0]}


def delete(run_table, *sort_keys):
    for sort_key in sort_keys:
        run_table.client.delete_item(TableName=run_table.name, Key={"pk": {"S": RUN}, "sk": {"S": sort_key}})


@WITH_TABLE
@given(data=st.data())
def test_a_row_only_moves_forward_and_says_what_the_furthest_event_said(record, run_table, data):
    history = data.draw(histories())
    delete(run_table, TASK)
    place = {id(detail): number for number, detail in enumerate(history.details)}
    furthest, last_version = -1, ""

    for batch in data.draw(deliveries(history)):
        assert record(*batch) == []
        furthest = max(furthest, *(place[id(detail)] for detail in batch))
        row, expected = run_table.rows(RUN)[TASK], history.details[furthest]
        assert (row["job_id"], row["status"]) == (expected["jobId"], expected["status"])
        assert row["version"] >= last_version
        last_version = row["version"]


@WITH_TABLE
@given(data=st.data())
def test_once_every_job_was_told_as_it_is_the_row_is_the_same_whatever_came_before(record, run_table, data):
    """What the reconciler does: it sends each job that a row does not have as Batch has it."""
    history = data.draw(histories())
    delete(run_table, TASK)
    for detail in history.details:
        record(detail)
    in_order = run_table.rows(RUN)[TASK]
    delete(run_table, TASK)

    for batch in data.draw(deliveries(history)):
        record(*batch)
    record(*data.draw(st.permutations(history.jobs)))

    assert without_times_of_sight(run_table.rows(RUN)[TASK]) == without_times_of_sight(in_order)


def test_what_a_row_says_of_a_job_that_was_tried_twice(record, run_table):
    record(*job_history(0, ["failed"], None))
    record(*job_history(1, ["reclaimed", "succeeded"], None))

    row = run_table.rows(RUN)[TASK]

    assert (row["state"], row["index"], row["status"], "reason" in row) == ("String_Repeat", 3, "SUCCEEDED", False)
    first, second = (row[name] for name in sorted(row) if name.startswith("job:"))
    assert (first["status"], [attempt["exit_code"] for attempt in first["attempts"]]) == ("FAILED", [1])
    assert {name: second[name] for name in ("status", "queue", "architecture", "vcpus", "memory_mib")} == {
        "status": "SUCCEEDED",
        "queue": "Spot",
        "architecture": "graviton",
        "vcpus": 1,
        "memory_mib": 2048,
    }
    reclaimed, succeeded = second["attempts"]
    assert (reclaimed["reason"], "exit_code" in reclaimed) == ("Host EC2 (instance i-1) terminated.", False)
    assert (succeeded["exit_code"], succeeded["log_stream"]) == (0, "log-1-1")
    assert succeeded["started_at"] < succeeded["stopped_at"]


def test_a_failed_job_says_why_and_a_waiting_one_too(record, run_table):
    *_, failed = job_history(0, ["failed"], None)
    record({**failed, "container": {**failed["container"], "reason": "OutOfMemoryError: killed", "exitCode": 137}})
    (waiting,) = job_history(0, ["failed"], "RUNNABLE", "String_Repeat-4")
    record({**waiting, "statusReason": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - none"})

    rows = run_table.rows(RUN)

    expected = "exit code 137; OutOfMemoryError: killed; Essential container in task exited"
    assert rows[TASK]["reason"] == expected
    assert rows["TASK#String_Repeat#000004"]["reason"].startswith("CAPACITY:")


def test_the_attempts_of_an_earlier_try_are_added_to_a_row_that_is_further(record, run_table):
    record(*job_history(1, ["succeeded"], None))
    record(job_history(0, ["reclaimed", "failed"], None)[-1])

    row = run_table.rows(RUN)[TASK]

    assert row["status"] == "SUCCEEDED"
    assert [len(row[name]["attempts"]) for name in sorted(row) if name.startswith("job:")] == [2, 1]


def test_a_group_has_its_counts_and_a_child_is_in_the_row_of_its_shard(record, run_table):
    (group,) = job_history(0, ["failed"], "RUNNABLE", "String_Repeat_Group-0")
    child = {**group, "jobId": f"{group['jobId']}:5", "status": "FAILED", "arrayProperties": {"index": 5}}
    parent = {**group, "arrayProperties": {"size": 300, "statusSummary": {"RUNNING": 2, "FAILED": 1, "STARTING": 0}}}

    record(bodies=[job_event(parent), job_event(child, task={"state": "String_Repeat", "index": 77})])

    rows = run_table.rows(RUN)
    assert rows["TASK#String_Repeat_Group#000000"]["counts"] == {"RUNNING": 2, "FAILED": 1}
    shard = rows["TASK#String_Repeat#000077"]
    assert (shard["status"], shard["job_id"], "counts" in shard) == ("FAILED", child["jobId"], False)


def test_what_is_no_task_of_ours_is_passed_over_and_what_cannot_be_read_comes_back(record, run_table):
    (detail,) = job_history(0, ["failed"], "RUNNABLE")
    bodies = [
        job_event({**detail, "jobName": "somebody"}),
        "no event",
        job_event({**detail, "jobQueue": "arn:aws:batch:us-east-1:123456789012:job-queue/Other"}),
        job_event({**detail, "arrayProperties": {"index": 0}}),
        job_event({**detail, "status": "UNHEARD_OF"}),
        job_event(detail),
        {**job_event(detail), "detail-type": "Other"},
    ]

    assert record(bodies=bodies) == [1, 4, 6]

    assert list(run_table.rows(RUN)) == [TASK]


def test_rows_that_cannot_be_written_come_back_with_the_queue(record, run_table, monkeypatch):
    monkeypatch.setenv("RUN_TABLE", "NoSuchTable")
    (detail,) = job_history(0, ["failed"], "RUNNABLE")
    assert record(detail, detail) == [0, 1]


def test_250_tasks_of_one_batch_are_all_written(record, run_table):
    details = [job_history(0, ["succeeded"], None, f"String_Repeat-{index}")[-1] for index in range(250)]
    record(*details[40:60])

    assert record(*details, *details[:10]) == []

    assert len(run_table.rows(RUN)) == 250


def test_an_execution_that_runs_is_open(record, run_table):
    record(bodies=[execution_event("RUNNING")] * 2)
    assert {key: row["execution_arn"] for key, row in run_table.rows("OPEN").items()} == {f"RUN#{RUN_ID}": ARN}


@pytest.mark.parametrize(
    ("event", "status", "reasons"),
    [
        (execution_event("SUCCEEDED"), "SUCCEEDED", []),
        (
            execution_event("FAILED", error="States.Runtime", cause="broken"),
            "FAILED",
            ["its execution failed: States.Runtime: broken"],
        ),
        (execution_event("TIMED_OUT", error="States.Timeout"), "FAILED", ["its execution timed out: States.Timeout"]),
        (
            execution_event("ABORTED", error="Cancelled", cause="cancelled by hpc cancel"),
            "CANCELLED",
            ["cancelled by hpc cancel"],
        ),
        (execution_event("ABORTED", error="HpcPlatform.Interrupted", cause="ended"), "RUNNING", None),
        (
            execution_event("FAILED", error="x", input=None, name=f"{RUN_ID}"),
            "FAILED",
            ["its execution failed: x"],
        ),
    ],
    ids=["succeeded", "failed", "timed out", "cancelled", "interrupted", "without its input"],
)
def test_an_execution_that_wrote_nothing_down_ends_its_run(record, run_table, event, status, reasons):
    put_run(run_table, "RUNNING", ARN)
    assert record(bodies=[event]) == []
    row = run_table.rows(RUN)["META"]
    assert row["status"] == status
    assert json.loads(row.get("reasons", "null")) == reasons


@pytest.mark.parametrize(("status", "arn"), [("FAILED", ARN), ("RUNNING", ARN + "-2")], ids=["final", "resumed"])
def test_the_end_of_an_execution_moves_no_run_back(record, run_table, status, arn):
    put_run(run_table, status, arn)
    assert record(bodies=[execution_event("ABORTED", error="late", cause="late")]) == []
    assert run_table.rows(RUN)["META"] == {"pk": RUN, "sk": "META", "status": status, "execution_arn": arn}


def put_run(run_table, status, arn):
    texts = {"pk": RUN, "sk": "META", "status": status, "execution_arn": arn}
    run_table.client.put_item(TableName=run_table.name, Item={name: {"S": text} for name, text in texts.items()})


def test_where_an_attempt_ran_is_asked_of_ecs_and_ec2(modules, monkeypatch, s3_endpoint, s3):
    """Against the local EC2; ECS, which has no container instances there, is told by hand."""
    instance = boto3.client("ec2").run_instances(ImageId="ami-1", InstanceType="r6g.large", MinCount=1, MaxCount=1)
    found = instance["Instances"][0]
    arn = "arn:aws:ecs:us-east-1:123456789012:container-instance/spot/00"

    class Ecs:
        def describe_container_instances(self, *, cluster, containerInstances):
            assert (cluster, containerInstances) == ("spot", [arn])
            return {"containerInstances": [{"containerInstanceArn": arn, "ec2InstanceId": found["InstanceId"]}]}

    clients = {"ecs": Ecs(), "ec2": boto3.client("ec2")}
    monkeypatch.setattr(modules.instances, "client", clients.__getitem__)
    change = SimpleNamespace(containers=(arn,))

    places = modules.instances.find_places([change, change])

    zone = found["Placement"]["AvailabilityZone"]
    expected = {"instance_id": found["InstanceId"], "instance_type": "r6g.large", "zone": zone, "market": "on-demand"}
    assert places == {arn: expected}


@pytest.mark.parametrize(("lifecycle", "market"), [({}, "on-demand"), ({"InstanceLifecycle": "spot"}, "spot")])
def test_the_market_of_an_instance_is_its_lifecycle(modules, monkeypatch, lifecycle, market):
    """The local EC2 knows no Spot: requests and answers are held against the models of ECS and EC2."""
    arn = "arn:aws:ecs:us-east-1:123456789012:container-instance/spot/00"
    place = {"InstanceId": "i-1", "InstanceType": "r6g.large", "Placement": {"AvailabilityZone": "us-east-1a"}}
    ecs, ec2 = (boto3.client(service, "us-east-1") for service in ("ecs", "ec2"))
    containers = {"containerInstances": [{"containerInstanceArn": arn, "ec2InstanceId": "i-1"}]}
    instances = {"Reservations": [{"Instances": [{**place, **lifecycle}]}]}
    with Stubber(ecs) as of_ecs, Stubber(ec2) as of_ec2:
        of_ecs.add_response(
            "describe_container_instances", containers, {"cluster": "spot", "containerInstances": [arn]}
        )
        wanted = {"Filters": [{"Name": "instance-id", "Values": ["i-1"]}]}
        of_ec2.add_response("describe_instances", instances, wanted)
        monkeypatch.setattr(modules.instances, "client", {"ecs": ecs, "ec2": ec2}.__getitem__)
        places = modules.instances.find_places([SimpleNamespace(containers=(arn,))])
    assert places[arn]["market"] == market


def test_places_are_kept_in_the_row_whatever_is_further(record, modules, run_table, monkeypatch):
    place = {"instance_id": "i-1", "instance_type": "r6g.large", "zone": "us-east-1a", "market": "spot"}
    *_, running, succeeded = job_history(0, ["succeeded"], None)
    record(succeeded)
    monkeypatch.setattr(
        modules.record_event, "find_places", lambda changes: {arn: place for each in changes for arn in each.containers}
    )

    record(running)

    row = run_table.rows(RUN)[TASK]
    assert (row["status"], row["instance:00"]) == ("SUCCEEDED", place)


def test_histories_have_tries_attempts_and_an_open_end():
    """Guards the properties above: what they draw from is what they claim."""
    details = [*job_history(0, ["reclaimed", "failed"], None), *job_history(1, ["failed"], "RUNNING")]
    history = History(details)
    assert [job["status"] for job in history.jobs] == ["FAILED", "RUNNING"]
    assert [len(job["attempts"]) for job in history.jobs] == [2, 0]
    assert len(details) == 7 + 3
