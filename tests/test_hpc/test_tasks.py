"""The tasks of a run: what is expected, held against the jobs."""

import json

import pytest

from hpc.jobs import Job
from hpc.run import Run
from hpc.tasks import StepCount, Task, Tasks, build_tasks, count_steps


def run(status="RUNNING", **changes):
    return Run(
        **{"run_id": "r", "workflow": "string_processing", "project": "P1", "status": status, "created_at": ""}
        | changes
    )


def job(state, index, status, created_at=0, **detail):
    return Job(
        job_id=f"{state}-{index}-{created_at}",
        state=state,
        index=index,
        status=status,
        created_at=created_at,
        status_reason="",
        detail=detail,
    )


@pytest.fixture
def put_record(connection, stack):
    def put(run, name, record):
        key = f"result/{run.project}/records/{run.run_id}/{name}"
        connection.client("s3").put_object(Bucket=stack.bucket, Key=key, Body=json.dumps(record))

    return put


@pytest.fixture
def tasks_of(connection, stack, string_processing):
    return lambda run: Tasks(connection, stack, string_processing, run)


@pytest.fixture
def submitted_run(make_run, project, stack):
    parameters = {"ProjectNo": project, "INPUT_BUCKET": stack.bucket, "INPUT_KEY": "uploads/lines.txt"}
    return make_run(parameters=parameters, shards=3)


def test_expected_tasks_stand_in_the_order_of_the_steps(string_processing):
    tasks = build_tasks(string_processing, run(), [], shard_count=2)
    assert [task.name for task in tasks] == [
        "String_Split-0",
        "String_Repeat-0",
        "String_Repeat-1",
        "String_Reverse-0",
        "String_Reverse-1",
        "String_Repeat_Merge-0",
        "String_Reverse_Merge-0",
    ]
    assert {task.status for task in tasks} == {"PENDING"}


def test_an_unknown_number_of_shards_shows_the_jobs_that_there_are(string_processing):
    jobs = [job("String_Repeat", 11, "RUNNING"), job("String_Repeat", 2, "RUNNABLE")]
    names = [task.name for task in build_tasks(string_processing, run(), jobs, shard_count=None)]
    assert names == [
        "String_Split-0",
        "String_Repeat-2",
        "String_Repeat-11",
        "String_Repeat_Merge-0",
        "String_Reverse_Merge-0",
    ]


def test_a_task_has_the_status_of_its_latest_job_and_the_attempts_of_all(string_processing):
    first = job(
        "String_Repeat",
        0,
        "FAILED",
        created_at=1,
        attempts=[{"stoppedAt": 1}, {"stoppedAt": 2}],
        container={"exitCode": 1, "logStreamName": "old"},
    )
    second = job("String_Repeat", 0, "RUNNING", created_at=2, container={"logStreamName": "new"})
    tasks = build_tasks(string_processing, run(), [first, second], shard_count=1)
    assert tasks[1] == Task(
        state="String_Repeat",
        index=0,
        status="RUNNING",
        attempts=3,
        reason=None,
        job_id="String_Repeat-0-2",
        log_stream="new",
    )


def test_the_tasks_of_a_succeeded_run_succeeded_even_if_batch_forgot_them(string_processing):
    tasks = build_tasks(string_processing, run("SUCCEEDED"), [], shard_count=0)
    assert {(task.status, task.attempts, task.reason) for task in tasks} == {
        ("SUCCEEDED", 0, "its job is no longer known to Batch")
    }


def test_steps_are_counted_by_the_latest_jobs(string_processing):
    jobs = [
        job("String_Split", 0, "SUCCEEDED"),
        job("String_Repeat", 0, "FAILED", created_at=1),
        job("String_Repeat", 0, "SUCCEEDED", created_at=2),
        job("String_Repeat", 1, "STARTING"),
        job("String_Reverse", 0, "FAILED"),
        job("String_Reverse", 1, "RUNNABLE"),
    ]
    counts = count_steps(string_processing, run(), jobs, shard_count=2)
    assert [(count.total, count.succeeded, count.failed, count.running) for count in counts] == [
        (1, 1, 0, 0),
        (2, 1, 0, 1),
        (2, 0, 1, 0),
        (1, 0, 0, 0),
        (1, 0, 0, 0),
    ]
    assert counts[0] == StepCount("String_Split", "Split into shards", total=1, succeeded=1, failed=0, running=0)
    assert count_steps(string_processing, run(), [], shard_count=None)[1].total is None
    assert [count.succeeded for count in count_steps(string_processing, run("SUCCEEDED"), [], 2)] == [1, 2, 2, 1, 1]


def test_the_number_of_shards_is_the_splits_and_before_that_the_scans(tasks_of, submitted_run, put_record):
    assert tasks_of(submitted_run).shard_count() == 3
    put_record(submitted_run, "String_Split.json", {"shards": []})
    assert tasks_of(submitted_run).shard_count() == 0


def test_a_failed_task_tells_why_in_its_own_words(tasks_of, submitted_run, put_record, submit_job, wait_for):
    run_id = submitted_run.run_id
    put_record(submitted_run, "String_Split.json", {"shards": [{"name": f"lines.txt_0000{i}"} for i in range(2)]})
    wait_for(submit_job(run_id, "String_Split-0"))
    job_id = submit_job(run_id, "String_Repeat-1", "exit 2")
    wait_for(job_id)
    words = {"job_id": job_id, "reason": "line 7 is too long"}
    put_record(submitted_run, "String_Repeat/lines.txt_00001.failed.json", words)
    wait_for(submit_job(run_id, "String_Repeat_Merge-0", "exit 1"))
    put_record(submitted_run, "String_Repeat_Merge.failed.json", {"job_id": "an earlier try's", "reason": "old"})

    tasks = {task.name: task for task in tasks_of(submitted_run).all()}
    assert len(tasks) == 7
    assert tasks["String_Split-0"].status == "SUCCEEDED"
    assert tasks["String_Split-0"].reason is None
    assert tasks["String_Repeat-1"].reason.startswith("line 7 is too long (exit code 2")
    assert tasks["String_Repeat-1"].attempts == 1
    assert tasks["String_Repeat-1"].log_stream
    assert tasks["String_Repeat_Merge-0"].reason.startswith("exit code 1")
    assert tasks["String_Reverse-0"].as_json() == {
        "state": "String_Reverse",
        "index": 0,
        "status": "PENDING",
        "attempts": 0,
        "reason": None,
        "job_id": None,
        "log_stream": None,
    }
