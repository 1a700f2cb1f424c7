"""Nothing is lost, nothing is done twice: the platform or a part of it is killed in the middle of a run."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hpc.local.loopback import free_port
from tests.test_e2e.conftest import HPC, Platform, make_environment, wait_until
from tests.test_e2e.expected import repeated, reversed_by_characters

LINES_PER_SHARD = 10  # 100 shards, 200 Map jobs


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform of its own, to be killed."""
    state_dir = tmp_path_factory.mktemp("mortal")
    made = Platform(make_environment(state_dir), state_dir, free_port())
    made.hpc("up", "--port", made.port)
    yield made
    made.hpc("down", check=None)


@pytest.fixture(autouse=True)
def no_faults_of_mortal_left(mortal: Platform) -> Iterator[None]:
    yield
    mortal.set_faults()


def pids(platform: Platform) -> dict[str, int]:
    """The platform's processes by name; `supervisor` is the one that starts the others."""
    children = json.loads((platform.state_dir / "children.json").read_text())
    return {**children, "supervisor": platform.key["pid"]}


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def records(platform: Platform, project: str, run_id: str) -> set[str]:
    """The records of the run's shards that are there."""
    bucket = platform.output("S3BucketForAWSBatch")
    pages = platform.client("s3").get_paginator("list_objects_v2")
    prefix = f"result/{project}/records/{run_id}/String_Re"
    listed = pages.paginate(Bucket=bucket, Prefix=prefix)
    return {entry["Key"] for page in listed for entry in page.get("Contents", [])}


def wait_for_the_middle(platform: Platform, project: str, run_id: str) -> None:
    """Until some shards are done and others are not."""
    wait_until(lambda: len(records(platform, project, run_id)) >= 10)


def results(folder: Path, name: str) -> tuple[bytes, bytes]:
    return tuple((folder / f"{kind}_{name}_merge").read_bytes() for kind in ("repeat", "reverse"))


def events_are_recorded(shown: dict[str, Any]) -> bool:
    """Whether the rows of all tasks have heard of the end of their jobs."""
    return all(task["jobs"] and task["jobs"][-1]["status"] == task["status"] for task in shown["tasks"])


def assert_done_once(platform: Platform, run_id: str, lines_file: Path, folder: Path) -> None:
    """The results are right, and no shard was done by two jobs that both succeeded."""
    assert platform.wait(run_id)["status"] == "SUCCEEDED"
    platform.hpc("results", run_id, "-o", folder)
    text = lines_file.read_bytes()
    assert results(folder, lines_file.name) == (repeated(text), reversed_by_characters(text))
    succeeded = Counter(job["jobName"] for job in platform.jobs(run_id) if job["status"] == "SUCCEEDED")
    assert max(succeeded.values()) == 1, succeeded


@pytest.mark.parametrize("victim", ["supervisor", "emulator", "object store", "front door"])
def test_a_run_outlives_the_death_of_any_process(mortal, lines_file, tmp_path, victim):
    # Given a run in the middle of its shards
    project = f"Kill{victim.replace(' ', '').capitalize()}"
    run_id = mortal.submit(lines_file, project, LINES_PER_SHARD)
    wait_for_the_middle(mortal, project, run_id)
    before = pids(mortal)
    # When that process is killed without warning
    kill(before[victim])
    # Then a part of the platform is started again by itself, and the whole by the next `hpc up`
    if victim == "supervisor":
        wait_until(lambda: not any(is_alive(pid) for pid in before.values()))
        mortal.hpc("up")
    else:
        wait_until(lambda: pids(mortal)[victim] != before[victim])
    # And the run ends well, with nothing done twice
    assert_done_once(mortal, run_id, lines_file, tmp_path / "out")


def test_a_platform_that_is_ended_in_mid_run_continues_at_its_next_start(mortal, lines_file, tmp_path):
    run_id = mortal.submit(lines_file, "EndedInMidRun", LINES_PER_SHARD)
    wait_for_the_middle(mortal, "EndedInMidRun", run_id)
    mortal.hpc("down")
    mortal.hpc("up")
    assert_done_once(mortal, run_id, lines_file, tmp_path / "out")


def test_logs_rows_and_jobs_of_before_are_there_after_a_kill(mortal, lines_file):
    # Given a run that has ended well, the events of all its jobs recorded, and no saved state since
    run_id = mortal.submit(lines_file, "Remembered", 250)
    mortal.wait(run_id)
    wait_until(lambda: events_are_recorded(mortal.show(run_id)))
    seen = mortal.show(run_id)
    jobs = {job["jobId"]: job["status"] for job in mortal.jobs(run_id)}
    printed = mortal.hpc("logs", run_id, "String_Split-0").stdout
    # When
    kill(pids(mortal)["supervisor"])
    wait_until(lambda: mortal.hpc("runs", check=None).returncode == 3)
    mortal.hpc("up")
    # Then
    assert mortal.show(run_id) == seen
    assert {job["jobId"]: job["status"] for job in mortal.jobs(run_id)} == jobs
    assert mortal.hpc("logs", run_id, "String_Split-0").stdout == printed


def test_two_platforms_and_two_runs_on_one_know_nothing_of_each_other(mortal, platform, lines_file, tmp_path):
    other = tmp_path / "lines.txt"
    other.write_text("".join(f"another {number}\n" for number in range(500)))
    submitted = [
        (mortal, mortal.submit(lines_file, "Same", 50), lines_file),
        (platform, platform.submit(other, "Same", 50), other),
        (mortal, mortal.submit(other, "Beside", 50), other),
    ]
    for number, (where, run_id, file) in enumerate(submitted):
        assert_done_once(where, run_id, file, tmp_path / str(number))
    listed = {run["run_id"] for run in json.loads(mortal.hpc("runs", "--json").stdout)}
    assert submitted[0][1] in listed
    assert submitted[1][1] not in listed


def test_a_platform_whose_folder_is_removed_ends(tmp_path):
    # Given a platform that is up
    made = Platform(make_environment(tmp_path / "gone"), tmp_path / "gone", free_port())
    made.state_dir.mkdir()
    made.hpc("up", "--port", made.port)
    running = pids(made)
    # When
    shutil.rmtree(made.state_dir, ignore_errors=True)
    # Then
    wait_until(lambda: not any(is_alive(pid) for pid in running.values()))
    assert not made.state_dir.exists()
    tmp_path.joinpath("gone").mkdir()
    assert "No platform is running" in made.hpc("runs", check=3).stderr


def test_purge_leaves_nothing_behind(tmp_path):
    made = Platform(make_environment(tmp_path / "purged"), tmp_path / "purged", free_port())
    made.state_dir.mkdir()
    made.hpc("up", "--port", made.port)
    ports = json.loads((made.state_dir / "platform-config.json").read_text())["store"]["ports"].values()
    running = pids(made)
    ended = subprocess.run(
        [str(HPC), "down", "--purge", "--yes"],
        env=made.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"Deleted {made.state_dir}" in ended.stderr
    assert not made.state_dir.exists()
    assert not any(is_alive(pid) for pid in running.values())
    assert [socket for port in ports for socket in Path("/tmp").glob(f"seaweedfs-*{port}.sock")] == []
