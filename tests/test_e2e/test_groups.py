"""Above `groupAbove` shards go as array jobs: a person sees tasks all the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.test_e2e.conftest import Platform, wait_until

SHARDS = 150


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "lines.txt"
    made.write_text("".join(f"line {number}\n" for number in range(SHARDS)))
    return made


def of_state(tasks: list[dict], state: str) -> list[dict]:
    return [task for task in tasks if task["state"] == state]


def group_jobs(platform: Platform, run_id: str) -> list[dict]:
    return [job for group in platform.show(run_id)["groups"] for job in group["jobs"]]


def test_the_tasks_of_groups_are_told_one_by_one(platform, file):
    run_id = platform.submit(file, "GroupsShown", 1)
    seen = platform.wait(run_id)
    assert seen["status"] == "SUCCEEDED"
    for state in ("String_Repeat", "String_Reverse"):
        tasks = of_state(seen["tasks"], state)
        assert sorted(task["index"] for task in tasks) == list(range(SHARDS))
        assert {task["status"] for task in tasks} == {"SUCCEEDED"}
    assert len(platform.children(run_id)) == 2 * SHARDS
    # And each has a log of its own
    assert platform.hpc("logs", run_id, "String_Reverse-149").stdout.strip()
    # And what their children took is counted within the reconciler's period
    wait_until(lambda: all("child_seconds" in job for job in group_jobs(platform, run_id)), timeout_s=100)
    took = sum(job["child_seconds"]["SUCCEEDED"] for job in group_jobs(platform, run_id))
    ran = [child for child in platform.children(run_id) if child["status"] == "SUCCEEDED"]
    assert took == pytest.approx(sum(child["stoppedAt"] - child["startedAt"] for child in ran) / 1000)
    cost = json.loads(platform.hpc("cost", run_id, "--json").stdout)
    assert cost["shards"] == SHARDS
    assert cost["spot_usd"]["high"] > took / 3600 * 0.05


def test_a_cancelled_group_leaves_no_child_and_its_tasks_are_counted(platform, file):
    # Given groups in which ten children of each hang
    platform.set_faults({"job_name": "*-String_Re*:14?", "action": "hang"})
    run_id = platform.submit(file, "GroupsCancelled", 1)
    wait_until(lambda: sum(task["status"] == "SUCCEEDED" for task in platform.show(run_id)["tasks"]) >= 20)
    assert len(of_state(platform.show(run_id)["tasks"], "String_Repeat")) == SHARDS
    # When
    platform.hpc("cancel", run_id)
    # Then
    seen = platform.show(run_id)
    assert seen["status"] == "CANCELLED"
    assert {task["status"] for task in seen["tasks"]} <= {"SUCCEEDED", "FAILED", "CANCELLED", "PENDING"}
    assert {job["status"] for job in platform.jobs(run_id)} <= {"SUCCEEDED", "FAILED"}
    assert len(platform.children(run_id)) == 2 * SHARDS
