"""A run's jobs, as Batch tells them."""

import pytest

from hpc.jobs import (
    Job,
    describe_jobs,
    failure_reason,
    latest_by_task,
    list_jobs,
    log_streams,
    started_attempts,
    unfinished_jobs,
)
from hpc.submission import new_run_id


def job(status="SUCCEEDED", status_reason="", **detail):
    return Job(job_id="id", state="S", index=0, status=status, created_at=1, status_reason=status_reason, detail=detail)


def test_the_jobs_of_a_run_and_no_other_in_every_status(connection, stack, submit_job, wait_for):
    run_id = new_run_id()
    wait_for(submit_job(run_id, "String_Split-0"))
    wait_for(submit_job(run_id, "String_Repeat-7", "exit 3", queue="next_tries", architecture="x86"))
    running = submit_job(run_id, "String_Repeat-10", "sleep 60")
    wait_for(running, "RUNNING")
    submit_job(f"{run_id}-x", "String_Split-0")
    submit_job(run_id, "no_task")

    jobs = list_jobs(connection, stack.queues(None), run_id)
    assert [(job.state, job.index, job.status) for job in jobs] == [
        ("String_Split", 0, "SUCCEEDED"),
        ("String_Repeat", 7, "FAILED"),
        ("String_Repeat", 10, "RUNNING"),
    ]
    assert [job.job_id for job in unfinished_jobs(connection, stack.queues(None), run_id)] == [running]
    assert list_jobs(connection, stack.queues("x86"), run_id) == [jobs[1]]

    described = describe_jobs(connection, jobs, run_id)
    assert [started_attempts(job) for job in described] == [1, 1, 1]
    assert failure_reason(described[1]).startswith("exit code 3; ")
    assert all(log_streams(job)[0][0] == "/aws/batch/job" for job in described)
    connection.client("batch").terminate_job(jobId=running, reason="the test is over")


def test_more_jobs_than_one_call_takes(connection, stack, submit_job):
    run_id = new_run_id()
    for index in range(105):
        submit_job(run_id, f"String_Repeat-{index}")
    jobs = describe_jobs(connection, list_jobs(connection, stack.queues("graviton"), run_id), run_id)
    assert sorted(job.index for job in jobs) == list(range(105))


def test_the_latest_job_of_a_task_counts():
    old, new = (
        Job(job_id=name, state="S", index=1, status="FAILED", created_at=time, status_reason="", detail={})
        for time, name in enumerate(("old", "new"))
    )
    assert latest_by_task([old, new]) == {("S", 1): new}


@pytest.mark.parametrize(
    ("status", "attempts", "count"),
    [
        ("RUNNABLE", [], 0),
        ("STARTING", [], 1),
        ("RUNNING", [{"stoppedAt": 5}], 2),
        ("RUNNING", [{"stoppedAt": 5}, {"startedAt": 6}], 2),
        ("SUCCEEDED", [{"stoppedAt": 5}, {"stoppedAt": 9}], 2),
        ("FAILED", None, 0),
    ],
)
def test_started_attempts(status, attempts, count):
    assert started_attempts(job(status=status, attempts=attempts)) == count


@pytest.mark.parametrize(
    ("failed", "reason"),
    [
        (job(container={"exitCode": 1}), ""),
        (job("FAILED", "", container={"exitCode": 1}), "exit code 1"),
        (
            job("FAILED", "Task failed", container={"exitCode": 137, "reason": "OutOfMemory"}),
            "exit code 137; OutOfMemory; Task failed",
        ),
        (job("FAILED", "Host EC2 terminated", container={"reason": "Host EC2 terminated"}), "Host EC2 terminated"),
        (job("FAILED"), "failed without a reason"),
    ],
)
def test_failure_reason(failed, reason):
    assert failure_reason(failed) == reason


def test_each_attempt_has_a_log():
    detail = {
        "attempts": [{"container": {"logStreamName": "a"}}, {"container": {"logStreamName": "b"}}, {}],
        "container": {
            "logStreamName": "b",
            "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/hpc/jobs"}},
        },
    }
    assert log_streams(job(**detail)) == [("/hpc/jobs", "a"), ("/hpc/jobs", "b")]
    assert log_streams(job()) == []
