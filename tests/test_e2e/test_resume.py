"""Runs that ended are continued by `hpc resume`, which redoes what is missing and nothing else."""

from __future__ import annotations

import re
import subprocess

from tests.test_e2e.conftest import HPC, wait_until
from tests.test_e2e.expected import repeated, reversed_by_characters

REVERSE_4_FAILS = {"job_name": "*-String_Reverse-4", "times": "all", "action": "exit", "exit_code": 1}


def new_jobs(platform, run_id: str, before: list[dict]) -> list[str]:
    """The names, without the run's, of the jobs that were submitted since."""
    known = {job["jobId"] for job in before}
    return sorted(job["jobName"].split("-", 3)[3] for job in platform.jobs(run_id) if job["jobId"] not in known)


def failed_run(platform, lines_file, project: str) -> str:
    platform.set_faults(REVERSE_4_FAILS)
    run_id = platform.submit(lines_file, project, 50)
    assert platform.wait(run_id)["status"] == "FAILED"
    platform.set_faults()
    return run_id


def recorded(platform, project: str, run_id: str) -> set[str]:
    """The shards that have a record; a job may be ended a moment after it wrote one."""
    prefix = f"result/{project}/records/{run_id}/"
    listed = platform.client("s3").list_objects_v2(Bucket=platform.output("S3BucketForAWSBatch"), Prefix=prefix)
    names = [entry["Key"].removeprefix(prefix) for entry in listed["Contents"]]
    found = [re.fullmatch(r"(\w+)/lines\.txt_(\d+)\.json", name) for name in names]
    return {f"{match[1]}-{int(match[2])}" for match in found if match}


def assert_right(platform, run_id: str, lines_file, folder) -> None:
    platform.hpc("results", run_id, "-o", folder)
    text = lines_file.read_bytes()
    assert (folder / "repeat_lines.txt_merge").read_bytes() == repeated(text)
    assert (folder / "reverse_lines.txt_merge").read_bytes() == reversed_by_characters(text)


def test_a_failed_run_redoes_the_missing_shard_and_its_merge_only(platform, lines_file, tmp_path):
    run_id = failed_run(platform, lines_file, "ResumeFailed")
    before = platform.jobs(run_id)
    # When
    assert platform.hpc("resume", run_id).stdout.strip() == run_id
    # Then
    assert platform.wait(run_id)["status"] == "SUCCEEDED"
    assert new_jobs(platform, run_id, before) == ["String_Reverse-4", "String_Reverse_Merge-0"]
    assert_right(platform, run_id, lines_file, tmp_path / "out")


def test_a_cancelled_run_redoes_only_what_has_no_record(platform, lines_file, tmp_path):
    # Given a run whose last shards of one branch hang until it is cancelled
    platform.set_faults({"job_name": "*-String_Repeat-1?", "times": "all", "action": "hang"})
    run_id = platform.submit(lines_file, "ResumeCancelled", 50)
    wait_until(
        lambda: any(job["status"] == "SUCCEEDED" and "String_Re" in job["jobName"] for job in platform.jobs(run_id))
    )
    platform.hpc("cancel", run_id)
    platform.set_faults()
    before = platform.jobs(run_id)
    done = recorded(platform, "ResumeCancelled", run_id)
    shards = {f"{state}-{number}" for state in ("String_Repeat", "String_Reverse") for number in range(20)}
    # When
    platform.hpc("resume", run_id)
    # Then
    assert platform.wait(run_id)["status"] == "SUCCEEDED"
    again = [name for name in new_jobs(platform, run_id, before) if name in shards]
    assert again == sorted(shards - done)
    assert_right(platform, run_id, lines_file, tmp_path / "out")


def test_a_branch_whose_job_has_other_code_is_made_anew(platform, lines_file, tmp_path):
    # Given a failed run, and then a revision of its reverse job with one more variable
    run_id = failed_run(platform, lines_file, "ResumeOtherCode")
    before = platform.jobs(run_id)
    batch = platform.client("batch")
    arn = platform.output("JobDefinitionArns")["string_processing"]["string_reverse"]
    definition = batch.describe_job_definitions(jobDefinitions=[arn])["jobDefinitions"][0]
    kept = {"jobDefinitionName", "type", "parameters", "retryStrategy", "timeout", "tags",
            "platformCapabilities", "propagateTags", "containerProperties"}  # fmt: skip
    given = {name: value for name, value in definition.items() if name in kept}
    variables = given["containerProperties"].get("environment", [])
    given["containerProperties"]["environment"] = [*variables, {"name": "OTHER", "value": "code"}]
    newer = batch.register_job_definition(**given)["jobDefinitionArn"]
    try:
        # When
        platform.hpc("resume", run_id)
        # Then all of reverse is made anew and nothing of repeat
        assert platform.wait(run_id)["status"] == "SUCCEEDED"
    finally:
        batch.deregister_job_definition(jobDefinition=newer)
    expected = [f"String_Reverse-{number}" for number in range(20)] + ["String_Reverse_Merge-0"]
    assert new_jobs(platform, run_id, before) == sorted(expected)
    assert_right(platform, run_id, lines_file, tmp_path / "out")


def test_one_of_two_resumes_at_once_wins(platform, lines_file):
    run_id = failed_run(platform, lines_file, "ResumeTwice")
    before = platform.jobs(run_id)
    both = [
        subprocess.Popen([str(HPC), "resume", run_id], env=platform.environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [process.communicate(timeout=60)[1] for process in both]
    assert sorted(process.returncode for process in both) == [0, 2], told
    assert platform.wait(run_id)["status"] == "SUCCEEDED"
    assert new_jobs(platform, run_id, before) == ["String_Reverse-4", "String_Reverse_Merge-0"]


def test_what_cannot_be_resumed_is_refused_with_its_reason(platform, lines_file):
    platform.set_faults({"job_name": "*-String_Repeat-0", "times": 1, "action": "hang"})
    run_id = platform.submit(lines_file, "ResumeRefused", 500)
    assert "still going" in platform.hpc("resume", run_id, check=2).stderr
    platform.hpc("cancel", run_id)
    platform.set_faults()
    succeeded = platform.submit(lines_file, "ResumeRefused", 500)
    assert platform.wait(succeeded)["status"] == "SUCCEEDED"
    assert "found it SUCCEEDED" in platform.hpc("resume", succeeded, check=2).stderr
    assert "20200101-000000-abcdef" in platform.hpc("resume", "20200101-000000-abcdef", check=2).stderr
