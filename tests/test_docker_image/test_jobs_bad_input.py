"""What the jobs refuse: exit code, the one line on stderr, and the failure record."""

from __future__ import annotations

import json

import pytest

BUCKET = "hpc-jobs-data"
NO_RECORD = "no record: the job did not finish (its log tells why)"


def refused(run, message: str, record_name: str, *, code: int = 2, **details: object) -> None:
    """The failure record says what the one line on stderr said."""
    record = run.record(record_name)
    found = {name: record[name] for name in ("exit_code", "permanent", "reason", *details)}
    assert found == {"exit_code": code, "permanent": code == 2, "reason": message.removesuffix("\n")} | details


def test_a_wrong_split_num_is_refused_before_anything_is_written(run) -> None:
    message = run.split("1e12", code=2)
    assert message == "SPLIT_NUM: found '1e12', expected a whole number from 1 to 1000000000 (lines a shard)\n"
    refused(run, message, "String_Split.failed.json")
    assert run.stage.listing(f"result/{run.project}/") == [run.record_key("String_Split.failed.json")]


def test_a_missing_key_is_refused(run) -> None:
    message = run.split(10, code=2)
    assert message == (
        f"input s3://{BUCKET}/{run.input_key}: found no such object, expected an object that this job may read; "
        "check bucket and key\n"
    )
    refused(run, message, "String_Split.failed.json")


def test_a_missing_bucket_is_refused(run) -> None:
    message = run.split(10, code=2, INPUT_BUCKET="hpc-no-such-bucket")
    assert message.startswith(f"input s3://hpc-no-such-bucket/{run.input_key}: found ")
    refused(run, message, "String_Split.failed.json")


@pytest.mark.parametrize(
    ("bucket", "key"), [("hpc-jobs-forbidden", "uploads/secret.txt"), (BUCKET, "results/secret.txt")]
)
def test_a_bucket_or_key_that_the_role_may_not_read_is_refused(run, bucket: str, key: str) -> None:
    run.stage.client.put_object(Bucket=bucket, Key=key, Body=b"secret\n")
    message = run.split(10, code=2, INPUT_BUCKET=bucket, INPUT_KEY=key)
    assert message == (
        f"input s3://{bucket}/{key}: found that it does not exist or may not be read (access denied), expected an "
        "object that this job may read; check bucket and key, and that the deployment's settings allow them to jobs\n"
    )
    refused(run, message, "String_Split.failed.json")


@pytest.mark.parametrize(
    ("storage_class", "duration", "cost"),
    [
        ("GLACIER", "3 to 5 hours (Tier=Bulk: 5 to 12 hours)", "about 0.01 USD a GB (Tier=Bulk: nothing)"),
        ("DEEP_ARCHIVE", "up to 12 hours (Tier=Bulk: up to 48 hours)", "about 0.02 USD a GB (Tier=Bulk: 0.0025 USD)"),
    ],
)
def test_an_archived_input_is_refused_with_how_to_restore_it(run, storage_class: str, duration: str, cost: str) -> None:
    run.stage.put(run.input_key, b"abc\n", StorageClass=storage_class)
    message = run.split(10, code=2)
    assert message == (
        f"input s3://{BUCKET}/{run.input_key}: found it archived (storage class {storage_class}), expected an object "
        f"that can be read at once; restore it with: aws s3api restore-object --bucket {BUCKET} --key {run.input_key} "
        "--restore-request 'Days=7,GlacierJobParameters={Tier=Standard}' ; "
        f"this takes {duration} and costs {cost}, and storage of the copy for these days; then start the run again\n"
    )
    refused(run, message, "String_Split.failed.json")


def test_more_shards_than_may_be_are_counted_and_removed(run) -> None:
    """With 30 shards as the most that may be, and 20 removed in a request; the real limit is held in another test."""
    run.stage.put(run.input_key, b"x\n" * 1000 + b"last")
    earlier = run.key("String_Split", "other.txt_00000")
    run.stage.put(earlier, b"of another run\n")
    program = (
        "import os, sys; from string_split import __main__, split; split.MAX_SHARDS = 30; split.DELETE_AT_ONCE = 20; "
    )
    process = run.stage.start(
        "string_split",
        command=["-c", f"{program}sys.exit(__main__.main([], os.environ))"],
        STATE="String_Split",
        PROJECT_NO=run.project,
        INPUT_BUCKET=BUCKET,
        INPUT_KEY=run.input_key,
        SPLIT_NUM="3",
    )
    _, message = process.communicate(timeout=60)
    assert process.returncode == 2
    assert message == (
        f"SPLIT_NUM: found 3, which makes more than 30 shards of the 1001 lines of input "
        f"s3://{BUCKET}/{run.input_key}, expected at least 34\n"
    )
    refused(run, message, "String_Split.failed.json")
    assert run.stage.listing(f"result/{run.project}/String_Split/") == [earlier]


def test_a_line_over_64_mib_is_refused_by_its_number(run) -> None:
    run.stage.put(run.input_key, b"short\n" * 3 + b"x" * (64 * 1024 * 1024) + b"\nshort\n")
    message = run.split(2, code=2)
    assert message == (
        f"input s3://{BUCKET}/{run.input_key}: found a line of more than 67108864 bytes (line 4), "
        "expected lines of at most 67108864 bytes with their terminators; break this line up\n"
    )
    refused(run, message, "String_Split.failed.json")


def test_an_output_bucket_that_may_not_be_written_is_refused(run) -> None:
    run.stage.put(run.input_key, b"abc\n")
    message, note = run.split(10, code=2, OUTPUT_BUCKET="hpc-jobs-forbidden").splitlines()
    assert message == (
        f"output s3://hpc-jobs-forbidden/{run.key('String_Split', 'lines.txt_00000')}: found that it may not be "
        "written (access denied), expected a bucket that this job may write; check that the deployment's settings "
        "allow it to jobs"
    )
    assert note.startswith("note: the failure record could not be written: ")


def test_a_wrong_environment_is_refused_where_no_record_can_be_written(stage) -> None:
    message = stage.run("string_split", code=2, STATE="String_Split", PROJECT_NO="a/b")
    allowed = "1 to 64 of A-Z, a-z, 0-9, '_' and '-', first and last a letter or digit"
    assert message == f"PROJECT_NO: found 'a/b', expected {allowed}\n"


def test_an_unknown_branch_is_refused(run) -> None:
    message = run.merge("repeat", code=2, SHARD_STATE="String_Upper")
    assert message == "SHARD_STATE: found 'String_Upper', expected String_Repeat or String_Reverse\n"
    refused(run, message, "String_Repeat_Merge.failed.json")


def test_a_missing_shard_is_refused_and_recorded_beside_its_siblings(run) -> None:
    message = run.shard("repeat", 7, code=2)
    assert message == (
        f"shard s3://{BUCKET}/{run.key('String_Split', 'lines.txt_00007')}: found no such object, expected an object "
        "that this job may read; check bucket and key\n"
    )
    refused(run, message, "String_Repeat/lines.txt_00007.failed.json")
    assert run.stage.tags(run.record_key("String_Repeat/lines.txt_00007.failed.json")) == {"retention": "intermediate"}


def test_a_merge_without_the_splits_record_is_refused(run) -> None:
    message = run.merge("repeat", code=2)
    assert message.startswith(f"the split's record s3://{BUCKET}/{run.record_key('String_Split.json')}: found ")


def test_a_merge_tells_all_missing_shards_and_is_worth_another_try(run) -> None:
    run.stage.put(run.input_key, b"a\nb\nc\n")
    run.split(1)
    run.shard("repeat", 1)
    failed = {"reason": "shard x: found a hole", "permanent": True}
    run.stage.put(run.record_key("String_Repeat/lines.txt_00002.failed.json"), json.dumps(failed).encode())
    message = run.merge("repeat", code=1)
    assert message == (
        "String_Repeat: found no output of 2 of its shards, expected all of them; "
        f"the first is lines.txt_00000: {NO_RECORD}\n"
    )
    missing = [
        {"index": 0, "shard": "lines.txt_00000", "reason": NO_RECORD, "permanent": False},
        {"index": 2, "shard": "lines.txt_00002", "reason": "shard x: found a hole", "permanent": True},
    ]
    refused(run, message, "String_Repeat_Merge.failed.json", code=1, missing=missing)
    assert run.stage.listing(f"result/{run.project}/String_Repeat_Merge/") == []


def test_a_merge_of_which_all_missing_shards_are_permanent_is_permanent(run) -> None:
    run.stage.put(run.input_key, b"a\nb\n")
    run.split(1)
    run.shard("reverse", 0)
    run.stage.client.delete_object(Bucket=BUCKET, Key=run.key("String_Split", "lines.txt_00001"))
    reason = run.shard("reverse", 1, code=2).removesuffix("\n")
    message = run.merge("reverse", code=2)
    assert message == (
        "String_Reverse: found no output of 1 of its shards, expected all of them; "
        f"the first is lines.txt_00001: {reason}\n"
    )
    missing = [{"index": 1, "shard": "lines.txt_00001", "reason": reason, "permanent": True}]
    refused(run, message, "String_Reverse_Merge.failed.json", missing=missing)


def test_a_success_wins_over_an_earlier_failure_of_the_same_shard(run) -> None:
    run.stage.put(run.input_key, b"ab\n")
    run.shard("reverse", 0, code=2)
    run.split(1)
    run.shard("reverse", 0)
    run.merge("reverse")
    assert run.merged("reverse") == b"ba\n"


def test_a_corrupted_output_is_named_and_nothing_is_merged(run) -> None:
    run.stage.put(run.input_key, b"abc\ndef\n")
    run.split(1)
    run.shard("reverse", 0)
    run.shard("reverse", 1)
    key = run.key("String_Reverse", "reverse_lines.txt_00001")
    run.stage.put(key, b"fEd\n")
    message = run.merge("reverse", code=2)
    assert message.startswith(f"output of shard lines.txt_00001 s3://{BUCKET}/{key}: found 4 bytes with SHA-256 ")
    assert message.endswith(" as its job recorded; start a new run of this project\n")
    refused(run, message, "String_Reverse_Merge.failed.json", code=2)
    assert run.stage.listing(f"result/{run.project}/String_Reverse_Merge/") == []
