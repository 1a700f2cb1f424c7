"""Rows of tasks: with events lost, doubled and in the wrong order, all are right one reconciler period later."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer

from tests.test_e2e.conftest import wait_until

# The reconciler's period, the emulator's look at the clock (10 s), its own time, and the window of its messages.
ONE_PERIOD_S = 60 + 10 + 10
MADLY = (
    {"job_name": "*", "action": "lost_event", "rate": 0.2},
    {"job_name": "*", "action": "doubled_event", "rate": 0.3},
    # The later a status, the sooner its event: they come in the wrong order.
    {"job_name": "*", "action": "late_event", "status": "RUNNABLE", "seconds": 4},
    {"job_name": "*", "action": "late_event", "status": "STARTING", "seconds": 3},
    {"job_name": "*", "action": "late_event", "status": "RUNNING", "seconds": 2},
    {"job_name": "*", "action": "late_event", "status": "FAILED", "seconds": 1, "rate": 0.5},
)


@pytest.fixture
def few_lines(tmp_path):
    """600 lines: 60 shards of 10, 300 of 2."""
    file = tmp_path / "few.txt"
    file.write_text("".join(f"line {number}\n" for number in range(600)))
    return file


def rows(platform, key: str) -> list[dict[str, Any]]:
    """All rows of a partition of the run table, as Python values."""
    pages = (
        platform.client("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=platform.output("RunTableName"),
            KeyConditionExpression="pk = :key",
            ExpressionAttributeValues={":key": {"S": key}},
            ConsistentRead=True,
        )
    )
    read = TypeDeserializer().deserialize
    return [{name: read(value) for name, value in item.items()} for page in pages for item in page["Items"]]


def task_rows(platform, run_id: str) -> dict[tuple[str, int], dict[str, Any]]:
    found = [row for row in rows(platform, f"RUN#{run_id}") if row["sk"].startswith("TASK#")]
    return {(row["state"], int(row["index"])): row for row in found}


def jobs_by_task(platform, run_id: str) -> dict[tuple[str, int], list[dict[str, Any]]]:
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for job in platform.jobs(run_id):
        state, _, index = job["jobName"].removeprefix(f"{run_id}-").rpartition("-")
        found.setdefault((state, int(index)), []).append(job)
    return found


def wrong_rows(platform, run_id: str) -> list[str]:
    """What the rows of single jobs and groups say otherwise than Batch, of every job and attempt."""
    said, is_so = task_rows(platform, run_id), jobs_by_task(platform, run_id)
    wrong = [f"{task}: no row" for task in is_so.keys() - said.keys()]
    for task, row in said.items():
        jobs = is_so.get(task, [])
        newest = jobs[-1]["jobId"] if jobs else None
        if (row["status"], row.get("job_id")) != (jobs[-1]["status"] if jobs else "PENDING", newest):
            wrong.append(f"{task}: {row['status']}, expected {jobs[-1]['status'] if jobs else 'PENDING'}")
        for job in jobs:
            kept = row.get(f"job:{job['createdAt']:013d}:{job['jobId']}", {})
            told = [
                (attempt.get("exit_code"), attempt.get("stopped_at") is not None)
                for attempt in kept.get("attempts", [])
            ]
            attempts = [(attempt["container"].get("exitCode"), "stoppedAt" in attempt) for attempt in job["attempts"]]
            if (kept.get("status"), told) != (job["status"], attempts):
                wrong.append(f"{task}: job {job['jobId']} {kept}, expected {job['status']} {attempts}")
    return wrong


def messages_of_reconciler(platform, since_ms: int) -> int:
    """How many messages the reconciler has sent since then, by its log."""
    logs = platform.client("logs")
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    (group,) = (name for name in groups if "TrackingReconcile" in name)
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since_ms)
    told = (re.search(r"open runs, (\d+) messages", event["message"]) for page in pages for event in page["events"])
    return sum(int(found[1]) for found in told if found)


def look_once_a_period(platform, run_id: str) -> list[str]:
    """What is wrong after the reconciler has looked once more at a run."""
    time.sleep(ONE_PERIOD_S)
    return wrong_rows(platform, run_id)


def test_no_row_is_wrong_a_period_after_events_were_lost_doubled_and_reordered(platform, few_lines):
    # Given shards that fail in their first try, attempts that lose their instance, and the worst of events
    platform.set_faults(
        *MADLY,
        # Four of eleven, all in the first try: with a rate, a job that is hit is hit in its later tries, too.
        {"job_name": "*-String_Repeat-1*", "action": "exit", "exit_code": 1, "times": 4},
        # Rarely enough that none of the 60 loses all its five attempts.
        {"job_name": "*-String_Reverse-*", "action": "reclaim", "rate": 0.12},
    )
    started_ms = int(time.time() * 1000)
    run_id = platform.submit(few_lines, "Tracked", 10)
    seen = platform.wait(run_id)
    assert seen["status"] == "SUCCEEDED"
    platform.set_faults()
    # When
    wrong = look_once_a_period(platform, run_id)
    # Then
    assert wrong == []
    said = task_rows(platform, run_id)
    assert len(said) == 60 + 60 + 3
    # A fifth of the last events of more than 120 jobs was lost, so the reconciler had something to do.
    assert messages_of_reconciler(platform, started_ms) > 10
    tries = [sum(name.startswith("job:") for name in row) for row in said.values()]
    assert max(tries) == 2, "no shard was tried again: the test has tested less than it says"
    attempts = [len(value["attempts"]) for row in said.values() for name, value in row.items() if name[:4] == "job:"]
    assert max(attempts) > 1, "no attempt was reclaimed"
    for row in said.values():
        job = row[max(name for name in row if name.startswith("job:"))]
        assert (job["architecture"], job["vcpus"], job["memory_mib"]) == ("graviton", 1, 2048)


@pytest.fixture
def no_reconciler(platform):
    """The reconciler is not called as long as the test goes."""
    events = platform.client("events")
    (name,) = (rule["Name"] for rule in events.list_rules()["Rules"] if "TrackingPeriod" in rule["Name"])
    events.disable_rule(Name=name)
    yield
    events.enable_rule(Name=name)


@pytest.mark.usefixtures("no_reconciler")
def test_events_alone_bring_every_row_to_its_end(platform, few_lines):
    started_ms = int(time.time() * 1000)
    run_id = platform.submit(few_lines, "TrackedByEvents", 10)
    platform.wait(run_id)
    # 5 s on a quiet machine; however long it takes, nothing but events can do it.
    wait_until(lambda: wrong_rows(platform, run_id) == [], timeout_s=120)
    assert messages_of_reconciler(platform, started_ms) == 0
    for task in platform.show(run_id)["tasks"]:
        (job,) = task["jobs"]
        (attempt,) = job["attempts"]
        assert (job["job_id"], attempt["exit_code"], attempt["instance_type"]) == (task["job_id"], 0, None)


def test_a_group_has_one_row_with_counts_and_one_for_each_failed_child(platform, few_lines):
    platform.set_faults(*MADLY, {"job_name": "*-String_Repeat_Group-0:7", "action": "exit", "exit_code": 1})
    run_id = platform.submit(few_lines, "TrackedGroups", 2)
    assert platform.wait(run_id)["status"] == "SUCCEEDED"
    platform.set_faults()
    time.sleep(ONE_PERIOD_S)
    said = task_rows(platform, run_id)
    assert {task for task in said if task[0] == "String_Repeat"} == {("String_Repeat", 7)}
    assert said["String_Repeat", 7]["status"] == "SUCCEEDED"  # in its second try, as a single job
    assert [said[state, 0]["counts"] for state in ("String_Repeat_Group", "String_Reverse_Group")] == [
        {"SUCCEEDED": 299, "FAILED": 1},
        {"SUCCEEDED": 300},
    ]


def test_why_a_job_waits_is_in_its_row_although_no_event_tells_it(platform, few_lines):
    def reason() -> str:
        return str(task_rows(platform, run_id).get(("String_Split", 0), {}).get("reason", ""))

    platform.set_faults({"job_name": "*-String_Split-0", "action": "stuck_runnable"})
    run_id = platform.submit(few_lines, "Waits", 300)
    wait_until(lambda: reason().startswith("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"), timeout_s=ONE_PERIOD_S)
    platform.set_faults()
    assert platform.wait(run_id)["status"] == "SUCCEEDED"
    wait_until(lambda: reason() == "", timeout_s=ONE_PERIOD_S)


def test_what_is_left_of_a_stopped_execution_ends_and_its_run_says_so(platform, few_lines):
    # Given a run in the middle, whose execution somebody stops past the platform, and no event of it
    platform.set_faults({"job_name": "*", "action": "lost_event"}, {"job_name": "*-String_Repeat-5", "action": "hang"})
    run_id = platform.submit(few_lines, "Stopped", 10)
    wait_until(lambda: any(job["status"] == "RUNNING" for job in platform.jobs(run_id)), timeout_s=30)
    arn = platform.row(run_id)["execution_arn"]["S"]
    platform.client("stepfunctions").stop_execution(executionArn=arn, error="Console", cause="not needed any more")
    # Then row and jobs follow, and the run is closed
    wait_until(lambda: platform.row(run_id)["status"]["S"] == "CANCELLED", timeout_s=ONE_PERIOD_S)
    assert "not needed any more" in platform.row(run_id)["reasons"]["S"]
    wait_until(
        lambda: all(job["status"] in ("SUCCEEDED", "FAILED") for job in platform.jobs(run_id)), timeout_s=ONE_PERIOD_S
    )
    platform.set_faults()
    wait_until(lambda: wrong_rows(platform, run_id) == [], timeout_s=ONE_PERIOD_S)
