"""What goes wrong on AWS, made to go wrong through the real deployment: runs end well, or end and say why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_e2e.expected import repeated, reversed_by_characters


def assert_right(platform, run_id: str, lines_file: Path, folder: Path) -> None:
    platform.hpc("results", run_id, "-o", folder)
    text = lines_file.read_bytes()
    assert (folder / f"repeat_{lines_file.name}_merge").read_bytes() == repeated(text)
    assert (folder / f"reverse_{lines_file.name}_merge").read_bytes() == reversed_by_characters(text)


@pytest.fixture
def few_lines(tmp_path: Path) -> Path:
    """200 lines: 20 shards of 10."""
    file = tmp_path / "few.txt"
    file.write_text("".join(f"line {number}\n" for number in range(200)))
    return file


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        ({"action": "cannot_pull_image"}, [2]),
        ({"action": "stuck_runnable", "time_limit_s": 1}, [0, 1]),
    ],
    ids=lambda value: value["action"] if isinstance(value, dict) else "",
)
def test_a_job_that_meets_it_once_is_done_by_its_next_try(platform, few_lines, tmp_path, fault, attempts):
    platform.set_faults({"job_name": "*-String_Repeat-3", "times": 1, **fault})
    run_id = platform.submit(few_lines, f"Once_{fault['action']}", 10)
    assert platform.wait(run_id)["status"] == "SUCCEEDED"
    jobs = [job for job in platform.jobs(run_id) if job["jobName"].endswith("String_Repeat-3")]
    assert [len(job.get("attempts", [])) for job in jobs] == attempts
    if fault["action"] == "stuck_runnable":
        assert "JobStateTimeLimit" in jobs[0]["statusReason"]
    assert_right(platform, run_id, few_lines, tmp_path / "out")


def test_a_shard_that_is_always_out_of_memory_is_named_as_such(platform, few_lines):
    platform.set_faults({"job_name": "*-String_Repeat-3", "action": "out_of_memory"})
    seen = platform.wait(platform.submit(few_lines, "OutOfMemory", 10))
    assert seen["status"] == "FAILED"
    task = next(t for t in seen["tasks"] if (t["state"], t["index"]) == ("String_Repeat", 3))
    assert "137" in task["reason"]
    assert "OutOfMemoryError" in task["reason"]
