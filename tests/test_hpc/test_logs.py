"""Logs of jobs and functions, read through CloudWatch Logs."""

import time

import pytest

from hpc.errors import WrongInput
from hpc.logs import Logs, function_of


@pytest.fixture
def logged_run(make_run, project):
    parameters = {"ProjectNo": project, "INPUT_BUCKET": "data-bucket", "INPUT_KEY": "uploads/a"}
    return make_run(parameters=parameters, status="SUCCEEDED")


@pytest.fixture
def read(connection, stack, string_processing, logged_run):
    """Headings without the names of log streams, and lines."""

    def do(task):
        logs = Logs(connection, stack, string_processing, logged_run).read(task)
        return [(log.heading.partition(" (")[0], list(log.lines)) for log in logs]

    return do


def test_the_log_of_a_task(read, logged_run, submit_job, wait_for):
    wait_for(submit_job(logged_run.run_id, "String_Repeat-3", "echo hello; echo problem >&2; exit 1"))
    wait_for(submit_job(logged_run.run_id, "String_Repeat-3", "echo better"))
    wait_for(submit_job(logged_run.run_id, "String_Repeat-4", "echo other"))
    first, second = read("String_Repeat-3")
    assert first[0] == "String_Repeat-3 attempt 1 of 1, FAILED"
    assert sorted(first[1]) == ["hello", "problem", "started"]
    assert second == ("String_Repeat-3 attempt 1 of 1, SUCCEEDED", ["started", "better"])


@pytest.fixture
def tail(connection, stack, string_processing, logged_run):
    """The last lines' texts, and whether there are more."""

    def do(state, index, limit):
        found = Logs(connection, stack, string_processing, logged_run).tail(state, index, limit)
        assert all(line.time.endswith("Z") for line in found.lines)
        return [line.text for line in found.lines], found.truncated

    return do


def test_the_end_of_a_task_s_log_over_all_its_attempts(tail, logged_run, submit_job, wait_for):
    wait_for(submit_job(logged_run.run_id, "String_Repeat-3", "echo one; echo two"))
    wait_for(submit_job(logged_run.run_id, "String_Repeat-3", "echo three"))
    wait_for(submit_job(logged_run.run_id, "String_Repeat-33", "echo other"))
    everything = ["started", "one", "two", "started", "three"]
    assert tail("String_Repeat", 3, 5) == (everything, False)
    assert tail("String_Repeat", 3, 1000) == (everything, False)
    assert tail("String_Repeat", 3, 4) == (everything[1:], True)
    assert tail("String_Repeat", 3, 1) == (["three"], True)
    with pytest.raises(WrongInput, match="found no job of String_Repeat-4"):
        tail("String_Repeat", 4, 5)


def test_all_logs_in_the_order_of_the_steps(read, logged_run, submit_job, wait_for):
    for task in ("String_Reverse_Merge-0", "String_Repeat-10", "String_Repeat-9", "String_Split-0"):
        wait_for(submit_job(logged_run.run_id, task))
    assert [heading.partition(" ")[0] for heading, _ in read(None)] == [
        "String_Split-0",
        "String_Repeat-9",
        "String_Repeat-10",
        "String_Reverse_Merge-0",
    ]
    assert [heading.partition(" ")[0] for heading, _ in read("String_Repeat")] == [
        "String_Repeat-9",
        "String_Repeat-10",
    ]


def test_a_long_log_comes_whole(read, logged_run, submit_job, wait_for):
    wait_for(submit_job(logged_run.run_id, "String_Split-0", "seq 1 25000"))
    ((_, lines),) = read("String_Split")
    assert lines == ["started", *map(str, range(1, 25_001))]


def test_a_job_that_waits_has_no_log(read, logged_run, running_job, submit_job, connection):
    blockers = [running_job(logged_run.run_id, f"String_Repeat-{i}") for i in range(4)]
    submit_job(logged_run.run_id, "String_Split-0")
    assert read("String_Split") == [("String_Split-0 RUNNABLE", ["(no log: the job has not started)"])]
    for job_id in blockers:
        connection.client("batch").terminate_job(jobId=job_id, reason="the test is over")


@pytest.mark.parametrize(
    "task",
    [
        "String_Repeat-x",
        "String_Repeat-",
        "nothing",
        "Job_Map-0",
        "--x",
        "String_Repeat/3",
        "String_Repeat-٣",
        "String_Repeat-" + "1" * 31,
    ],
)
def test_what_is_no_task_is_refused(read, logged_run, task):
    with pytest.raises(WrongInput) as refusal:
        read(task)
    assert str(refusal.value) == (
        f"TASK: found {task!r}; expected a step (String_Split, String_Repeat, String_Reverse, String_Repeat_Merge, "
        "String_Reverse_Merge, Job_Map, Check_Output) or a step with a number, for example String_Split-0; see: "
        f"hpc show {logged_run.run_id}"
    )


def test_a_task_without_a_job_is_refused(read, logged_run):
    with pytest.raises(WrongInput) as refusal:
        read("String_Repeat-99")
    assert str(refusal.value) == (
        f"TASK: found no job of String_Repeat-99 in run {logged_run.run_id}; expected one that was submitted (Batch "
        f"keeps ended ones for about 7 days); see: hpc show {logged_run.run_id}"
    )


def test_the_function_of_a_state():
    definition = {
        "States": {
            "Job_Map": {"Parameters": {"FunctionName": "arn:job_map"}},
            "Split": {"Parameters": {"JobName": "x"}},
            "Wait": {},
        }
    }
    assert function_of(definition, "Job_Map") == "arn:job_map"
    assert [function_of(definition, state) for state in ("Split", "Wait", "Nothing")] == [None, None, None]


def test_a_function_without_a_place_in_the_definition_has_no_log(read):
    assert read("Job_Map") == []


def test_what_a_function_wrote_while_the_run_was_going(connection, stack, string_processing, logged_run):
    client, group = connection.client("logs"), f"/aws/lambda/{logged_run.project}"
    logs = Logs(connection, stack, string_processing, logged_run)
    assert list(logs.between(group)) == ["(no log: the function was not called yet, or its retention is over)"]
    client.create_log_group(logGroupName=group)
    client.create_log_stream(logGroupName=group, logStreamName="s")
    now_ms = int(time.time() * 1000)
    events = [
        {"timestamp": now_ms - 60_000, "message": "before"},
        {"timestamp": now_ms, "message": "listed 10 shards\n"},
    ]
    client.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    assert list(logs.between(group)) == ["listed 10 shards"]
