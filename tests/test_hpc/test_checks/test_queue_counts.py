"""Jobs of a queue by status, however many there are, and the vCPUs that they take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hpc.checks import queue_counts
from hpc.checks.compute import DELETED
from hpc.checks.queue_counts import read_queue_counts
from hpc.jobs import STATUSES

VCPUS = {"resourceRequirements": [{"type": "VCPU", "value": "2"}]}


@pytest.fixture
def batch(aws, answers):
    """Answers ListJobs for each status with these jobs, then DescribeJobs for the array jobs, then for the others."""
    stubber = answers("batch")

    def answer(listed: dict[str, list[dict[str, Any]]], *described: list[dict[str, Any]]) -> Any:
        for status in STATUSES:
            jobs = [{"jobName": "R1-Split-0", **job} for job in listed.get(status, [])]
            asked = {"jobQueue": "first", "jobStatus": status}
            stubber.add_response("list_jobs", {"jobSummaryList": jobs}, asked)
        for jobs in described:
            common = {"jobName": "R1-Split-0", "jobQueue": "q", "startedAt": 1, "jobDefinition": "d"}
            found = [{**common, "container": VCPUS, **job} for job in jobs]
            stubber.add_response("describe_jobs", {"jobs": found}, {"jobs": [job["jobId"] for job in jobs]})
        return aws

    return answer


def array(job_id: str, size: int) -> dict[str, Any]:
    return {"jobId": job_id, "arrayProperties": {"size": size}}


def described(job_id: str, status: str, size: int, **summary: int) -> dict[str, Any]:
    return {"jobId": job_id, "status": status, "arrayProperties": {"size": size, "statusSummary": summary}}


def single(job_id: str) -> dict[str, Any]:
    return {"jobId": job_id}


def test_an_empty_queue_is_told_without_a_description(batch, queue):
    found = read_queue_counts(batch({}), queue())
    assert found.as_json() == {
        "name": "first",
        "architecture": "graviton",
        "use": "first_try",
        "state": "ENABLED",
        "environments": [
            {
                "name": name, "kind": kind, "state": "ENABLED", "status": "VALID", "max_vcpus": most,
                "instance_types": ["r6g"],
            }
            for name, kind, most in (("spot", "SPOT", 192), ("on-demand", "EC2", 64))
        ],
        "jobs": dict.fromkeys(STATUSES, 0),
        "at_least": [],
        "running_vcpus": 0,
        "max_vcpus": 256,
    }  # fmt: skip


def test_a_queue_that_is_gone_is_told_without_asking_for_its_jobs(aws, answers, queue):
    answers("batch")
    found = replace(queue(), state=DELETED, environments=())
    told = read_queue_counts(aws, found).as_json()
    assert (told["state"], told["environments"], told["max_vcpus"]) == ("DELETED", [], 0)
    assert told["jobs"] == dict.fromkeys(STATUSES, 0)


def test_single_jobs_count_in_their_status_and_those_that_start_take_vcpus(batch, queue):
    listed = {"SUBMITTED": "a", "RUNNABLE": "bcd", "STARTING": "e", "RUNNING": "fg", "FAILED": "h"}
    running = [{"jobId": name, "status": "RUNNING"} for name in "efg"]
    found = read_queue_counts(batch({status: [*map(single, ids)] for status, ids in listed.items()}, running), queue())
    assert found.jobs == dict.fromkeys(STATUSES, 0) | {status: len(ids) for status, ids in listed.items()}
    assert (found.running_vcpus, found.at_least) == (6, ())


def test_of_array_jobs_the_children_count(batch, queue):
    listed = {"PENDING": [array("a", 10), single("b")], "SUCCEEDED": [array("c", 7)], "FAILED": [array("d", 4)]}
    arrays = [
        # Batch has not summed up one of its children yet.
        described("a", "PENDING", 10, RUNNABLE=4, STARTING=1, RUNNING=2, SUCCEEDED=2),
        described("d", "FAILED", 4, SUCCEEDED=3, FAILED=1),
    ]
    found = read_queue_counts(batch(listed, arrays), queue())
    assert found.jobs == {
        "SUBMITTED": 0, "PENDING": 2, "RUNNABLE": 4, "STARTING": 1, "RUNNING": 2, "SUCCEEDED": 12, "FAILED": 1,
    }  # fmt: skip
    assert found.running_vcpus == 6


def test_an_array_job_that_was_only_just_submitted_counts_whole(batch, queue):
    arrays = [{"jobId": "a", "status": "SUBMITTED", "arrayProperties": {"size": 5}}]
    found = read_queue_counts(batch({"SUBMITTED": [array("a", 5)]}, arrays), queue())
    assert found.jobs["SUBMITTED"] == 5


@pytest.mark.parametrize(
    ("status", "at_least"),
    [("RUNNABLE", ("RUNNABLE",)), ("FAILED", ("SUCCEEDED", "FAILED")), ("PENDING", STATUSES)],
)
def test_no_more_are_counted_than_is_allowed_and_that_is_said(batch, queue, monkeypatch, status, at_least):
    monkeypatch.setattr(queue_counts, "MAX_JOBS", 3)
    found = read_queue_counts(batch({status: [*map(single, "abcd")]}), queue())
    assert (found.jobs[status], found.at_least) == (3, at_least)
    found = read_queue_counts(batch({status: [*map(single, "abc")]}), queue())
    assert (found.jobs[status], found.at_least) == (3, ())


def test_only_environments_that_work_have_vcpus_to_give(batch, queue, environment):
    off = queue(environment(), environment(name="b", state="DISABLED"), environment(name="c", status="INVALID"))
    assert read_queue_counts(batch({}), off).max_vcpus == 192
