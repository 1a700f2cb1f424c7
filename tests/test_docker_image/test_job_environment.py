"""The environment of a job: what is read of it, and the message for each value that is wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from hpc_job.environment import now, read_job, shard_name
from hpc_job.errors import InputError
from hpc_job.text import MAX_LINE_BYTES
from string_merge.branch import read_branch
from string_split.split import MAX_SHARDS, read_request

WORKFLOW = Path(__file__).resolve().parents[2] / "workflows" / "string_processing" / "workflow.yaml"
GIVEN = {
    "STATE": "String_Repeat",
    "RUN_ID": "20260131-093000-a1b2c3",
    "PROJECT_NO": "Project1",
    "OUTPUT_BUCKET": "bucket",
    "IMAGE": "registry.example/string_repeat@sha256:0",
    "AWS_BATCH_JOB_ID": "5a1b",
    "AWS_BATCH_JOB_ATTEMPT": "2",
}
NAME = "1 to 100 of A-Z, a-z, 0-9, '_' and '-'"
PROJECT = "1 to 64 of A-Z, a-z, 0-9, '_' and '-', first and last a letter or digit"


def test_keys_of_a_job_of_one_shard() -> None:
    job = read_job([], GIVEN | {"SHARD": "lines.txt_00003"})
    assert job.attempt == 2
    assert job.key("repeat_lines.txt_00003") == "result/Project1/String_Repeat/repeat_lines.txt_00003"
    assert job.key("lines.txt_00003", state="String_Split") == "result/Project1/String_Split/lines.txt_00003"
    assert job.record_key == "result/Project1/records/20260131-093000-a1b2c3/String_Repeat/lines.txt_00003.json"
    assert job.failure_key == job.record_key.replace(".json", ".failed.json")
    assert job.does_a_shard


def test_keys_of_a_state_with_one_job() -> None:
    job = read_job([], GIVEN | {"STATE": "String_Split"})
    assert job.record_key == "result/Project1/records/20260131-093000-a1b2c3/String_Split.json"
    assert job.failure_key == "result/Project1/records/20260131-093000-a1b2c3/String_Split.failed.json"
    assert not job.does_a_shard


@pytest.mark.parametrize("project", ["a/b", "..", ".", "with space", "x" * 65, "x" * 200, "", "-x", "x-", "é", "x\n"])
def test_a_wrong_project_is_refused(project: str) -> None:
    with pytest.raises(InputError) as refused:
        read_job([], GIVEN | {"PROJECT_NO": project})
    assert str(refused.value) == f"PROJECT_NO: found {project!r:.200}, expected {PROJECT}"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("STATE", "", f"found '', expected {NAME}"),
        ("RUN_ID", "a/b", f"found 'a/b', expected {NAME}"),
        ("OUTPUT_BUCKET", "", "found nothing, expected the bucket of the results"),
        ("IMAGE", "", "found nothing, expected the image that the job runs from"),
        ("AWS_BATCH_JOB_ID", "", "found nothing, expected the id of the Batch job"),
        (
            "AWS_BATCH_JOB_ATTEMPT",
            "x",
            "found 'x', expected a whole number from 1 to 1000 (the attempt, which Batch sets)",
        ),
        ("SHARD", "../x", "found '../x', expected the name of a shard, which has no '/'"),
        ("SHARD", "", "found nothing, expected the name of a shard, which has no '/'"),
    ],
)
def test_a_wrong_variable_is_refused(name: str, value: str, expected: str) -> None:
    with pytest.raises(InputError) as refused:
        read_job([], GIVEN | {name: value})
    assert str(refused.value) == f"{name}: {expected}"


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_a_variable_that_is_not_set_is_named(name: str) -> None:
    with pytest.raises(InputError, match=f"^{name}: found (nothing|''), expected "):
        read_job([], {key: value for key, value in GIVEN.items() if key != name})


def test_arguments_are_refused() -> None:
    with pytest.raises(InputError, match=re.escape("arguments: found ['--help'], expected none")):
        read_job(["--help"], GIVEN)


@pytest.mark.parametrize(
    "split_num", ["0", "-1", "text", "", "1e12", "1000000000000", "1000000001", "1.5", " 5", "+5", "٣", "9" * 5000]
)
def test_a_wrong_split_num_is_refused(split_num: str) -> None:
    with pytest.raises(InputError) as refused:
        read_request({"INPUT_BUCKET": "b", "INPUT_KEY": "uploads/x", "SPLIT_NUM": split_num})
    expected = "a whole number from 1 to 1000000000 (lines a shard)"
    assert str(refused.value) == f"SPLIT_NUM: found {split_num!r:.200}, expected {expected}"


@pytest.mark.parametrize("split_num", ["1", "10000", "1000000000"])
def test_a_split_num_in_bounds_is_taken(split_num: str) -> None:
    request = read_request({"INPUT_BUCKET": "b", "INPUT_KEY": "uploads/P/lines.txt", "SPLIT_NUM": split_num})
    assert (request.file, request.lines_per_shard) == ("lines.txt", int(split_num))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("uploads/", "INPUT_KEY: found 'uploads/', expected a key whose last part is not empty"),
        ("", "INPUT_KEY: found nothing, expected the key of the input"),
        ("a\nb", "INPUT_KEY: found a control character in 'a\\nb', expected the key of the input"),
    ],
)
def test_a_wrong_input_key_is_refused(key: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        read_request({"INPUT_BUCKET": "b", "INPUT_KEY": key, "SPLIT_NUM": "1"})
    assert str(refused.value) == message


def test_a_wrong_branch_is_refused() -> None:
    with pytest.raises(InputError) as refused:
        read_branch({"SHARD_STATE": "String_Upper"})
    assert str(refused.value) == "SHARD_STATE: found 'String_Upper', expected String_Repeat or String_Reverse"


def test_a_shard_must_be_named() -> None:
    with pytest.raises(InputError, match=r"^SHARD: found nothing"):
        shard_name({})


def test_times_are_utc_with_a_z() -> None:
    stamp = now()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
    assert abs(datetime.fromisoformat(stamp) - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_limits_are_those_of_the_workflow() -> None:
    sharding = yaml.safe_load(WORKFLOW.read_text())["sharding"]
    assert (sharding["max_shards"], sharding["max_line_bytes"]) == (MAX_SHARDS, MAX_LINE_BYTES)
