"""A thousand shards while a fifth of all attempts loses its instance."""

from __future__ import annotations

from collections import Counter

from tests.test_e2e.expected import repeated, reversed_by_characters

RATE = 0.2


def test_a_thousand_shards_finish_correct_while_a_fifth_of_the_attempts_is_reclaimed(platform, lines_file, tmp_path):
    # Given instances that go away, before a job has begun or in the middle of it
    platform.set_faults(
        {"job_name": "*-String_Repeat_Group-*", "action": "reclaim", "rate": RATE, "seed": 1},
        {"job_name": "*-String_Reverse_Group-*", "action": "reclaim", "rate": RATE, "seed": 2, "after_s": 0.001},
    )
    # When
    run_id = platform.submit(lines_file, "Reclaimed1000", 1)
    # Then all is right
    assert platform.wait(run_id, timeout_s=400)["status"] == "SUCCEEDED"
    platform.hpc("results", run_id, "-o", tmp_path / "out")
    text = lines_file.read_bytes()
    assert (tmp_path / "out" / "repeat_lines.txt_merge").read_bytes() == repeated(text)
    assert (tmp_path / "out" / "reverse_lines.txt_merge").read_bytes() == reversed_by_characters(text)
    # And Batch made other attempts for those that were lost, while no shard was done by two jobs
    succeeded = Counter(child["jobName"] + child["jobId"].partition(":")[2] for child in platform.children(run_id))
    groups = [job for job in platform.jobs(run_id) if "_Group-" in job["jobName"]]
    assert sum(job["arrayProperties"]["size"] for job in groups) >= 2000
    assert max(succeeded.values()) == 1
    assert {group["jobName"].split("-")[3] for group in groups[:2]} == {"String_Repeat_Group", "String_Reverse_Group"}
    for group in groups[:2]:  # one of each branch
        lost = [attempt for child in described(platform, group) for attempt in child["attempts"][:-1]]
        assert lost, group["jobName"]
        assert {attempt["statusReason"][:8] for attempt in lost} == {"Host EC2"}


def described(platform, group) -> list[dict]:
    """The first hundred children of an array job, with their attempts."""
    ids = [f"{group['jobId']}:{index}" for index in range(100)]
    return platform.client("batch").describe_jobs(jobs=ids)["jobs"]
