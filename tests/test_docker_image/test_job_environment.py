"""The environment of a job: what is read of it, and the message for each value that is wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hpc_job.environment import Shard, now, read_job
from hpc_job.errors import InputError
from hpc_job.group import Member, is_member, member_shard, read_member
from hpc_job.shard import process_shard
from hpc_job.shard_name import MAX_SHARDS, shard_digits, shard_name
from hpc_job.text import MAX_LINE_BYTES
from string_merge.branch import read_branch
from string_split.split import read_request

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
    job = read_job([], GIVEN | {"SHARD": "lines.txt_00003", "INDEX": "3"})
    assert job.attempt == 2
    assert job.shard == Shard(index=3, name="lines.txt_00003")
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
        ("INDEX", "", "found '', expected a whole number from 0 to 999999 (the shard's number)"),
        ("INDEX", "1000000", "found '1000000', expected a whole number from 0 to 999999 (the shard's number)"),
    ],
)
def test_a_wrong_variable_is_refused(name: str, value: str, expected: str) -> None:
    with pytest.raises(InputError) as refused:
        read_job([], GIVEN | {"SHARD": "lines.txt_00003", "INDEX": "3"} | {name: value})
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
    with pytest.raises(InputError, match=r"^SHARD: found nothing, expected the name of a shard \(or SHARD_LIST_KEY "):
        process_shard(read_job([], GIVEN), GIVEN, None, prefix="repeat", transform=iter)


IN_GROUP = {
    "SHARD_LIST_KEY": "result/Project1/Job_Map/r/list",
    "GROUP_OFFSET": "10000",
    "SHARD_DIGITS": "5",
    "INPUT_KEY": "uploads/Project1/lines.txt",
    "AWS_BATCH_JOB_ARRAY_INDEX": "7",
}


def test_a_child_of_an_array_job_has_a_line_of_a_list() -> None:
    assert is_member(IN_GROUP)
    assert not is_member(GIVEN | {"SHARD": "lines.txt_00003", "INDEX": "3"})
    member = read_member(IN_GROUP)
    assert member == Member(list_key="result/Project1/Job_Map/r/list", line=10_007, digits=5, file="lines.txt")
    text = "".join(f"{number:05d}\n" for number in range(20_000))
    assert text[member.span.start : member.span.stop] == "10007"
    assert read_job([], GIVEN | IN_GROUP).shard is None


def test_a_child_of_a_group_of_all_shards_asks_nobody_for_its_number() -> None:
    def connect() -> None:
        raise AssertionError("no client is needed")

    member = read_member(IN_GROUP | {"SHARD_LIST_KEY": "result/Project1/Job_Map/r/try_1_String_Repeat.all"})
    assert member_shard(connect, "bucket", member) == Shard(index=10_007, name="lines.txt_10007")
    of_six = read_member(IN_GROUP | {"SHARD_LIST_KEY": "list.all", "SHARD_DIGITS": "6"})
    assert member_shard(connect, "bucket", of_six).name == "lines.txt_010007"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SHARD_LIST_KEY", "", "found nothing, expected the key of the list of shards"),
        (
            "GROUP_OFFSET",
            "-1",
            "found '-1', expected a whole number from 0 to 999999 (the line of the group's first shard)",
        ),
        (
            "GROUP_OFFSET",
            "1000000",
            "found '1000000', expected a whole number from 0 to 999999 (the line of the group's first shard)",
        ),
        ("SHARD_DIGITS", "4", "found '4', expected a whole number from 5 to 6 (the digits of a shard's number)"),
        ("SHARD_DIGITS", "7", "found '7', expected a whole number from 5 to 6 (the digits of a shard's number)"),
        (
            "AWS_BATCH_JOB_ARRAY_INDEX",
            "10000",
            "found '10000', expected a whole number from 0 to 9999 (the child, which Batch sets)",
        ),
        ("INPUT_KEY", "uploads/", "found 'uploads/', expected a key whose last part is not empty"),
    ],
)
def test_a_wrong_variable_of_a_group_is_refused(name: str, value: str, expected: str) -> None:
    with pytest.raises(InputError) as refused:
        read_member(IN_GROUP | {name: value})
    assert str(refused.value) == f"{name}: {expected}"


@pytest.mark.parametrize("name", sorted(IN_GROUP.keys() - {"SHARD_LIST_KEY"}))
def test_a_variable_of_a_group_that_is_not_set_is_named(name: str) -> None:
    with pytest.raises(InputError, match=f"^{name}: found (nothing|''), expected "):
        read_member({key: value for key, value in IN_GROUP.items() if key != name})


@pytest.mark.parametrize(
    ("input_bytes", "lines_per_shard", "digits"),
    [
        (0, 1, 5),
        (1, 1, 5),
        (100_000, 1, 5),
        (100_001, 1, 6),
        (1_000_000, 10, 5),
        (1_000_001, 10, 6),
        (1_000_000, 1, 6),
        (10**15, 1, 6),
        (10**15, 10**9, 6),
        (10**14, 10**9, 5),
    ],
)
def test_names_have_as_many_digits_as_the_last_shard_may_need(
    input_bytes: int, lines_per_shard: int, digits: int
) -> None:
    assert shard_digits(input_bytes, lines_per_shard) == digits


@given(st.integers(0, 3_000_000), st.integers(1, 100))
def test_name_order_is_input_order(input_bytes: int, lines_per_shard: int) -> None:
    digits = shard_digits(input_bytes, lines_per_shard)
    last = min(MAX_SHARDS, max(1, -(-input_bytes // lines_per_shard))) - 1
    numbers = sorted({0, last // 10, last // 2, last - 1, last} - {-1})
    names = [shard_name("lines.txt", number, digits) for number in numbers]
    assert names == sorted(names)
    assert {len(name) for name in names} == {len("lines.txt_") + digits}


def test_times_are_utc_with_a_z() -> None:
    stamp = now()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)
    assert abs(datetime.fromisoformat(stamp) - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_limits_are_those_of_the_workflow() -> None:
    sharding = yaml.safe_load(WORKFLOW.read_text())["sharding"]
    assert (sharding["max_shards"], sharding["max_line_bytes"]) == (MAX_SHARDS, MAX_LINE_BYTES)
