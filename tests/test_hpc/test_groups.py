"""Tasks in groups: counted by what Batch sums up, looked at one by one only where somebody must."""

import time
from contextlib import suppress
from dataclasses import replace

import pytest

from hpc.jobs import STATUSES
from hpc.logs import Logs
from hpc.tasks import MAX_REASONS_FETCHED, Tasks

ARRAY_STATUSES = {"S": "SUCCEEDED", "F": "FAILED", "R": "RUNNING", "W": "RUNNABLE"}


class ArrayBatch:
    """AWS Batch with array jobs, as its API answers; counts the children that it was asked to describe."""

    def __init__(self):
        self.jobs, self.described = [], []

    def add(self, name, children="", *, created_at, offset=0, key="", status="FAILED"):
        """A single job, or an array job with a letter for each child's status."""
        job = {"jobId": f"job{len(self.jobs)}", "jobName": name, "createdAt": created_at, "status": status}
        environment = {"SHARD_LIST_KEY": key, "GROUP_OFFSET": str(offset), "SHARD_DIGITS": "5"}
        job["container"] = {"environment": [{"name": n, "value": v} for n, v in environment.items()]}
        if children:
            statuses = [ARRAY_STATUSES[letter] for letter in children]
            summed_up = {name: statuses.count(name) for name in STATUSES}
            job["arrayProperties"] = {"size": len(children), "statusSummary": summed_up}
        self.jobs.append((job, children))

    def get_paginator(self, operation):
        assert operation == "list_jobs"
        return self

    def paginate(self, *, jobQueue=None, filters=None, arrayJobId=None, jobStatus=None):
        if jobQueue:
            start = filters[0]["values"][0].removesuffix("*")
            yield {"jobSummaryList": [job for job, _ in self.jobs if job["jobName"].startswith(start)]}
            return
        children = next(children for job, children in self.jobs if job["jobId"] == arrayJobId)
        found = [
            {"jobId": f"{arrayJobId}:{i}", "jobName": "", "status": jobStatus, "createdAt": 1}
            for i, letter in enumerate(children)
            if ARRAY_STATUSES[letter] == jobStatus
        ]
        for start in range(0, len(found), 1000):
            yield {"jobSummaryList": found[start : start + 1000]}

    def describe_jobs(self, jobs):
        return {"jobs": [self._describe(job_id) for job_id in jobs]}

    def _describe(self, job_id):
        parent_id, _, index = job_id.partition(":")
        job, children = next(found for found in self.jobs if found[0]["jobId"] == parent_id)
        if not index:
            return job
        self.described.append(job_id)
        child = {**job, "jobId": job_id, "status": ARRAY_STATUSES[children[int(index)]], "statusReason": "Essential"}
        child["arrayProperties"] = {"index": int(index)}
        child["attempts"] = [{"stoppedAt": 1, "container": {"logStreamName": f"log-of-{job_id}"}}]
        child["container"] = {"exitCode": 1, "logStreamName": f"log-of-{job_id}"}
        return child


@pytest.fixture
def batch():
    return ArrayBatch()


@pytest.fixture
def run(make_run, stack):
    run = make_run(parameters={"ProjectNo": "P1", "INPUT_BUCKET": stack.bucket, "INPUT_KEY": "uploads/lines.txt"})
    return replace(run, shards=20_000 + 5)


@pytest.fixture
def looking_at(connection, stack, string_processing, batch):
    """Arguments of Tasks and Logs that look at this Batch and at the emulator for all else."""
    here = replace(connection, _clients={**connection._clients, "batch": batch})
    return lambda run: (here, stack, string_processing, run)


@pytest.fixture
def put_list(connection, stack):
    """Writes the list of a try's shards to do; gives its key."""

    def put(run, name, numbers):
        key = f"result/P1/Job_Map/{run.run_id}/{name}.shards"
        connection.client("s3").put_object(
            Bucket=stack.bucket, Key=key, Body="".join(f"{number:05d}\n" for number in numbers).encode()
        )
        return key

    return put


def repeat_of(counts):
    count = next(count for count in counts if count.state == "String_Repeat")
    return count.total, count.succeeded, count.failed, count.running


@pytest.fixture
def three_tries(run, batch, put_list):
    """20,005 shards: all in three groups, then 12 that failed in a group, then the last two on their own."""
    first = f"result/P1/Job_Map/{run.run_id}/try_1_String_Repeat.all"  # no such object is written
    failed = [7, 9_999, 10_000, *range(20_000, 20_005), 11, 12, 13, 14]
    statuses = ["F" if number in failed else "S" for number in range(20_005)]
    for index, start in enumerate(range(0, 20_005, 6_670)):
        letters = "".join(statuses[start : start + 6_670])
        batch.add(f"{run.run_id}-String_Repeat_Group-{index}", letters, created_at=10 + index, offset=start, key=first)

    def second(letters="SSSSSSSSSSFF"):
        key = put_list(run, "try_2_String_Repeat", sorted(failed))
        batch.add(f"{run.run_id}-String_Repeat_Group-0", letters, created_at=20, key=key)

    def third(*statuses):
        for number, status in zip((20_003, 20_004), statuses, strict=True):
            batch.add(f"{run.run_id}-String_Repeat-{number}", created_at=30, status=status)

    return second, third


def test_children_are_counted_without_looking_at_them(run, looking_at, batch, three_tries):
    second, third = three_tries
    tasks = Tasks(*looking_at(run))
    assert repeat_of(tasks.counts(run)) == (20_005, 19_993, 12, 0)
    second()
    assert repeat_of(tasks.counts(run)) == (20_005, 20_003, 2, 0)
    third("RUNNING", "SUCCEEDED")
    assert repeat_of(tasks.counts(run)) == (20_005, 20_004, 0, 1)
    assert repeat_of(tasks.counts(replace(run, status="SUCCEEDED"))) == (20_005, 20_005, 0, 1)
    assert batch.described == []


def test_running_children_are_counted(run, looking_at, three_tries):
    three_tries[0]("SSRRRRWWWWFF")
    assert repeat_of(Tasks(*looking_at(run)).counts(run)) == (20_005, 19_995, 2, 4)


def test_only_failures_of_the_latest_try_are_described(run, looking_at, batch, three_tries):
    tasks = Tasks(*looking_at(run))
    first = tasks.failures()
    assert [task.index for task in first] == [7, 11, 12, 13, 14, 9_999, 10_000, *range(20_000, 20_005)]
    assert {(task.state, task.status, task.attempts) for task in first} == {("String_Repeat", "FAILED", 1)}
    assert first[0].reason == "exit code 1; Essential"
    assert len(batch.described) == 12
    three_tries[0]()
    assert [task.index for task in tasks.failures()] == [20_003, 20_004]
    three_tries[1]("SUCCEEDED", "FAILED")
    assert [task.name for task in tasks.failures()] == ["String_Repeat-20004"]


def test_of_very_many_failures_some_are_described(run, looking_at, batch, put_list):
    key = put_list(run, "try_1_String_Repeat", range(10_000))
    batch.add(f"{run.run_id}-String_Repeat_Group-0", "F" * 10_000, created_at=10, key=key)
    tasks = Tasks(*looking_at(run))
    assert repeat_of(tasks.counts(run)) == (20_005, 0, 10_000, 0)
    assert len(tasks.failures()) == len(batch.described) == MAX_REASONS_FETCHED
    everything = [task for task in tasks.all() if task.state == "String_Repeat"]
    assert [sum(task.status == status for task in everything) for status in ("FAILED", "PENDING")] == [10_000, 10_005]
    assert len(batch.described) == 2 * MAX_REASONS_FETCHED


def test_a_failed_child_tells_why_in_its_own_words(run, connection, stack, looking_at, three_tries):
    record = '{"job_id": "job3:10", "reason": "line 3 is too long"}'
    key = f"result/{run.project}/records/{run.run_id}/String_Repeat/lines.txt_20003.failed.json"
    connection.client("s3").put_object(Bucket=stack.bucket, Key=key, Body=record)
    three_tries[0]()
    told = {task.index: task.reason for task in Tasks(*looking_at(run)).failures()}
    assert told == {20_003: "line 3 is too long (exit code 1; Essential)", 20_004: "exit code 1; Essential"}


def test_every_task_for_scripts(run, looking_at, three_tries):
    three_tries[0]()
    three_tries[1]("SUCCEEDED", "RUNNING")
    tasks = {task.name: task.status for task in Tasks(*looking_at(run)).all()}
    assert len(tasks) == 3 + 2 * 20_005
    assert tasks["String_Repeat-7"] == tasks["String_Repeat-8"] == tasks["String_Repeat-20003"] == "SUCCEEDED"
    assert (tasks["String_Repeat-20004"], tasks["String_Reverse-7"]) == ("RUNNING", "PENDING")


def test_what_a_resume_makes_anew_is_not_counted_as_done(run, looking_at, three_tries):
    again = replace(run, redo=("String_Repeat",), resumed_at="2026-01-31T09:30:00Z")
    assert repeat_of(Tasks(*looking_at(again)).counts(again)) == (20_005, 0, 0, 0)


def test_a_list_that_has_expired_leaves_the_counts(run, looking_at, batch, three_tries):
    connection, stack, *_ = looking_at(run)
    second, _ = three_tries
    second()
    for job, children in batch.jobs:
        if children:
            key = job["container"]["environment"][0]["value"]
            connection.client("s3").delete_object(Bucket=stack.bucket, Key=key)
    tasks = Tasks(*looking_at(run))
    assert repeat_of(tasks.counts(run)) == (20_005, 20_003, 2, 0)
    assert tasks.failures() == []


def headings(looking_at, run, task):
    return [log.heading for log in Logs(*looking_at(run)).read(task)]


def test_the_logs_of_a_shard_are_those_of_the_children_that_had_it(run, looking_at, three_tries):
    three_tries[0]()
    assert headings(looking_at, run, "String_Repeat-9999") == [
        "String_Repeat-9999 attempt 1 of 1, FAILED (/aws/batch/job log-of-job1:3329)",
        "String_Repeat-9999 attempt 1 of 1, SUCCEEDED (/aws/batch/job log-of-job3:5)",
    ]


def test_the_logs_of_a_step_are_those_of_its_failures(run, looking_at, batch, three_tries):
    found = headings(looking_at, run, "String_Repeat")
    assert len(found) == 13
    assert found[0] == "String_Repeat-7 attempt 1 of 1, FAILED (/aws/batch/job log-of-job0:7)"
    assert found[-1] == "20005 tasks in 3 groups"
    assert len(batch.described) == 12


def test_the_last_lines_of_a_shard_are_those_of_the_children_that_had_it(connection, run, looking_at, three_tries):
    three_tries[0]()
    logs = connection.client("logs")
    for number, stream in enumerate(("log-of-job1:3329", "log-of-job3:5")):
        with suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(logGroupName="/aws/batch/job")
        logs.create_log_stream(logGroupName="/aws/batch/job", logStreamName=stream)
        event = {"timestamp": int(time.time() * 1000) + number, "message": f"of {stream}"}
        logs.put_log_events(logGroupName="/aws/batch/job", logStreamName=stream, logEvents=[event])
    tail = Logs(*looking_at(run)).tail("String_Repeat", 9_999, 10)
    assert [line.text for line in tail.lines] == ["of log-of-job1:3329", "of log-of-job3:5"]
