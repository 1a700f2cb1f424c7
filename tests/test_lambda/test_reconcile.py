"""Reconcile: what no event told is sent to the queue; open runs are found, looked after and closed."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.test_lambda.batch_history import QUEUE, RUN_ID, History, deliveries, histories, job_history
from tests.test_lambda.conftest import load_function
from tests.test_lambda.test_record_event import RUN, TASK, delete, job_event, put_run, without_times_of_sight

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


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_whatever_events_were_lost_doubled_or_reordered_one_look_makes_the_row_right(known, reconcile, run_table, data):
    history: History = data.draw(histories())
    delete(run_table, TASK)
    put_run(run_table, "RUNNING", "")
    for detail in history.details:
        known.record([json.dumps(job_event(detail))])
    right = run_table.rows(RUN)[TASK]
    delete(run_table, TASK)
    for batch in data.draw(deliveries(history)):
        known.record([json.dumps(job_event(detail)) for detail in batch])
    known.jobs = history.jobs

    reconcile()

    assert without_times_of_sight(run_table.rows(RUN)[TASK]) == without_times_of_sight(right)
    # And a second look finds nothing to say.
    assert reconcile().sent == 0


def test_jobs_of_another_run_whose_id_begins_alike_are_left_alone(known, reconcile, run_table):
    put_run(run_table, "RUNNING", "")
    (detail,) = job_history(0, ["failed"], "RUNNABLE", "7-String_Repeat-3")
    known.jobs = [detail]
    assert reconcile().sent == 0


def test_jobs_of_a_run_that_is_over_are_ended(known, reconcile, run_table, modules, monkeypatch):
    put_run(run_table, "CANCELLED", "")
    known.jobs = [*job_history(0, ["failed"], "RUNNABLE"), job_history(1, ["failed"], None, "String_Repeat-4")[-1]]
    ended = []
    batch = SimpleNamespace(terminate_job=lambda **request: ended.append(request))
    monkeypatch.setattr(modules.one_run, "client", lambda _: batch)

    done = reconcile()

    assert [(request["jobId"], request["reason"]) for request in ended] == [
        (known.jobs[0]["jobId"], f"run {RUN_ID} is over (CANCELLED)")
    ]
    assert (done.ended_jobs, done.is_settled) == (1, False)


def test_jobs_are_left_alone_when_the_run_is_resumed_meanwhile(known, reconcile, run_table, modules, monkeypatch):
    put_run(run_table, "FAILED", "arn:1")
    known.jobs = job_history(0, ["failed"], "RUNNABLE")
    listed = known.list_jobs

    def resume_and_list(run_id, architecture):
        put_run(run_table, "PENDING", "arn:2")
        return listed(run_id, architecture)

    monkeypatch.setattr(known, "list_jobs", resume_and_list)
    monkeypatch.setattr(modules.one_run, "client", lambda service: pytest.fail(f"asked {service}"))

    assert reconcile().ended_jobs == 0


def group_of(jobs_definition, shards, *, failed):
    """An array job with its children, those numbered `failed` FAILED and the others SUCCEEDED."""
    (base,) = job_history(*jobs_definition, "RUNNABLE", "String_Repeat_Group-0")
    given = {
        "STATE": "String_Repeat",
        "OUTPUT_BUCKET": shards["bucket"],
        "SHARD_LIST_KEY": shards["key"],
        "GROUP_OFFSET": "0",
        "SHARD_DIGITS": "5",
    }
    environment = [{"name": name, "value": value} for name, value in given.items()]
    base = {**base, "container": {**base["container"], "environment": environment}}
    summary = {"SUCCEEDED": shards["size"] - len(failed), "FAILED": len(failed)}
    parent = {**base, "status": "FAILED" if failed else "SUCCEEDED"}
    parent["arrayProperties"] = {"size": shards["size"], "statusSummary": summary}
    children = [
        {
            **base,
            "jobId": f"{base['jobId']}:{child}",
            "status": "FAILED" if child in failed else "SUCCEEDED",
            "arrayProperties": {"index": child},
        }
        for child in range(shards["size"])
    ]
    return [parent, *children]


def put_list(store, name, numbers):
    store.put({name: "".join(f"{number:05d}\n" for number in numbers).encode()})
    return {"bucket": store.bucket, "key": name, "size": len(numbers)}


@pytest.fixture
def children(known, modules, store, monkeypatch):
    """The children of made-up array jobs are listed, and S3 is asked for the lists of their shards."""

    def client(service):
        if service == "s3":
            return store.client
        failed = [job for job in known.jobs if job["status"] == "FAILED" and ":" in job["jobId"]]
        return SimpleNamespace(
            list_jobs=lambda **request: {
                "jobSummaryList": [job for job in failed if job["jobId"].startswith(request["arrayJobId"])]
            }
        )

    monkeypatch.setattr(modules.groups, "client", client)


@pytest.mark.usefixtures("children")
@pytest.mark.parametrize("first", ["some of the shards", "all of them"])
def test_rows_of_failed_children_follow_their_shards_into_the_next_group(known, reconcile, run_table, store, first):
    put_run(run_table, "RUNNING", "")
    if first == "all of them":  # no list is written
        shards, failed = {"bucket": store.bucket, "key": "try_1.all", "size": 14}, {5, 13}
    else:
        shards, failed = put_list(store, "try_1", [3, 5, 8, 13]), {1, 3}
    known.jobs = group_of((0, ["failed"]), shards, failed=failed)
    reconcile()
    rows = run_table.rows(RUN)
    statuses = {row["index"]: row["status"] for row in rows.values() if row.get("state") == "String_Repeat"}
    assert statuses == {5: "FAILED", 13: "FAILED"}
    counts = {"SUCCEEDED": shards["size"] - 2, "FAILED": 2}
    assert rows["TASK#String_Repeat_Group#000000"]["counts"] == counts
    assert reconcile().sent == 0

    known.jobs += group_of((1, ["failed"]), put_list(store, "try_2", [5, 13]), failed={1})
    reconcile()

    rows = run_table.rows(RUN)
    statuses = {row["index"]: row["status"] for row in rows.values() if row.get("state") == "String_Repeat"}
    assert statuses == {5: "SUCCEEDED", 13: "FAILED"}
    assert rows["TASK#String_Repeat_Group#000000"]["counts"] == {"SUCCEEDED": 1, "FAILED": 1}
    assert reconcile().sent == 0


@pytest.fixture
def machine(known):
    """A state machine in the local Step Functions; starts executions that wait."""
    states = boto3.client("stepfunctions")
    role = "arn:aws:iam::000000000000:role/any"
    name = f"Machine-{known.table.name[-8:]}"
    arn = states.create_state_machine(name=name, definition=json.dumps(DEFINITION), roleArn=role)["stateMachineArn"]
    known.machines = [arn]

    def start(number=1, run_id=RUN_ID):
        name = f"{run_id}-{number}"
        given = json.dumps({"run_id": run_id})
        return states.start_execution(stateMachineArn=arn, name=name, input=given)["executionArn"]

    yield SimpleNamespace(start=start, states=states)
    for execution in states.list_executions(stateMachineArn=arn, statusFilter="RUNNING")["executions"]:
        states.stop_execution(executionArn=execution["executionArn"])


def test_an_execution_that_no_event_told_of_is_found_and_stays_open_until_it_is_settled(
    known, modules, machine, run_table
):
    arn = machine.start()
    open_runs = modules.open_runs.OpenRuns(known)
    (run,) = open_runs.find()
    assert (run.run_id, run.execution_arn) == (RUN_ID, arn)
    put_run(run_table, "SUCCEEDED", arn)

    open_runs.close(run, arn)

    assert run_table.rows("OPEN") == {}
    assert open_runs.find() == []


def test_a_run_that_goes_on_in_another_execution_is_not_closed(known, modules, machine, run_table):
    open_runs = modules.open_runs.OpenRuns(known)
    first = machine.start()
    (run,) = open_runs.find()
    put_run(run_table, "PENDING", machine.start(2))

    open_runs.close(run, first)

    assert [run.run_id for run in open_runs.find()] == [RUN_ID]


def test_the_end_of_an_execution_that_no_event_told_ends_its_run(known, reconcile, machine, run_table, modules):
    arn = machine.start()
    put_run(run_table, "RUNNING", arn)
    assert reconcile().sent == 0
    machine.states.stop_execution(executionArn=arn, error="Console", cause="enough")

    assert reconcile().sent == 1

    row = run_table.rows(RUN)["META"]
    assert (row["status"], row["reasons"]) == ("CANCELLED", '["its execution was stopped: Console: enough"]')


def test_a_run_without_a_row_is_forgotten_when_its_execution_is_unknown(modules, known):
    run = modules.open_runs.OpenRun(RUN_ID, "arn:aws:states:us-east-1:000000000000:execution:None:none")
    assert modules.one_run.RunReconciler(known, run).reconcile().is_settled


def test_the_function_goes_on_when_one_run_cannot_be_looked_at(modules, known, machine, run_table, monkeypatch):
    for number in range(3):
        put_run(run_table, "RUNNING", machine.start(run_id=f"2026-{number}"))
    monkeypatch.setattr(modules.reconcile.Access, "of_environment", lambda: known)
    seen = []

    class Reconciler:
        def __init__(self, access, run):
            seen.append(run.run_id)
            self._fails = run.run_id == "2026-1"

        def reconcile(self):
            if self._fails:
                raise ValueError("made to fail")
            return modules.one_run.Done(2, 1, False, "arn")

    monkeypatch.setattr(modules.reconcile, "RunReconciler", Reconciler)
    enough = SimpleNamespace(get_remaining_time_in_millis=lambda: 100_000)

    assert modules.reconcile.handler({}, enough) == {"runs": 3, "looked_at": 2, "messages": 4, "ended_jobs": 2}
    assert sorted(seen) == ["2026-0", "2026-1", "2026-2"]
    short = SimpleNamespace(get_remaining_time_in_millis=lambda: 1_000)
    assert modules.reconcile.handler({}, short)["looked_at"] == 0


def test_a_row_that_is_new_to_the_function_has_all_it_needs(known, reconcile, run_table):
    """A row that Job_Map made has no job yet."""
    put_run(run_table, "RUNNING", "")
    values = {"pk": RUN, "sk": TASK, "state": "String_Repeat", "index": 3, "status": "PENDING", "version": "0" * 13}
    known.table.put_item(Item=values)
    known.jobs = job_history(0, ["failed"], "RUNNING")[-1:]

    assert reconcile().sent == 1

    assert run_table.rows(RUN)[TASK]["status"] == "RUNNING"
    known.jobs = [replace_status(known.jobs[0], "SUBMITTED")]
    assert reconcile().sent == 1  # Batch never says so after RUNNING, and the row does not follow
    assert run_table.rows(RUN)[TASK]["status"] == "RUNNING"


def replace_status(job, status):
    return {**job, "status": status}
