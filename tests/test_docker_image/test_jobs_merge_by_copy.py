"""Merges in which S3 copies what is large enough: what is in the object, its parts, its record, and what is refused."""

from __future__ import annotations

import hashlib

import pytest

BUCKET = "hpc-jobs-data"
MIB = 1024 * 1024
LEAST = 5 * MIB


def text(number: int, size: int) -> bytes:
    """Lines of so many bytes that no other number has."""
    line = f"line of output {number:05d} ".encode() * 8 + b"\n"
    return (line * (size // len(line) + 1))[: size - 1] + b"\n"


def part_sizes(run, key: str) -> list[int]:
    answer = run.stage.client.get_object_attributes(Bucket=BUCKET, Key=key, ObjectAttributes=["ObjectParts"])
    return [part["Size"] for part in answer["ObjectParts"]["Parts"]]


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        pytest.param([LEAST, LEAST + 1], [LEAST, LEAST + 1], id="all copied"),
        pytest.param([LEAST, LEAST - 1], [LEAST, LEAST - 1], id="a small last one"),
        pytest.param([LEAST - 1, 2 * LEAST], [LEAST, 2 * LEAST - 1], id="a byte taken from the next"),
        pytest.param([10, 2 * LEAST - 11, LEAST], [2 * LEAST - 1, LEAST], id="all of the next taken"),
        pytest.param(
            [LEAST, 7, 8, 9, 3 * LEAST, LEAST - 2, 2, LEAST, 11],
            [LEAST, LEAST, 2 * LEAST + 24, LEAST, LEAST, 11],
            id="runs of small ones between large ones",
        ),
    ],
)
def test_what_is_large_enough_is_copied_and_the_rest_joined(run, sizes: list[int], parts: list[int]) -> None:
    outputs = [text(number, size) for number, size in enumerate(sizes)]
    run.leave_outputs("reverse", outputs)
    assert run.merge("reverse") == ""
    key = run.key("String_Reverse_Merge", f"reverse_{run.file}_merge")
    joined = b"".join(outputs)
    assert run.stage.get(key) == joined
    assert part_sizes(run, key) == parts
    record = run.record("String_Reverse_Merge.json")
    assert record["merged"] == {
        "key": key,
        "bytes": len(joined),
        "lines": joined.count(b"\n"),
        "terminator_bytes": joined.count(b"\n"),
        "sha256": None,
        "etag": run.stage.etag(key),
    }
    assert [shard["sha256"] for shard in record["shards"]] == [hashlib.sha256(output).hexdigest() for output in outputs]
    assert run.stage.unfinished_uploads() == []


@pytest.mark.parametrize(
    ("sizes", "changed"),
    [
        pytest.param([LEAST, LEAST], 1, id="one that is copied"),
        pytest.param([LEAST, 5, 3 * LEAST], 2, id="one of which the beginning is read"),
    ],
)
def test_an_output_that_was_changed_is_named_and_nothing_is_merged(run, sizes: list[int], changed: int) -> None:
    run.leave_outputs("reverse", [text(number, size) for number, size in enumerate(sizes)])
    key = run.key("String_Reverse", f"reverse_{run.file}_{changed:05d}")
    run.stage.put(key, text(9, sizes[changed]))
    message = run.merge("reverse", code=2)
    assert message == (
        f"output of shard {run.file}_{changed:05d} s3://{BUCKET}/{key}: found that it was changed after its job "
        "recorded it, expected the version that was recorded; start a new run of this project\n"
    )
    failure = run.record("String_Reverse_Merge.failed.json")
    assert (failure["exit_code"], failure["permanent"]) == (2, True)
    assert run.stage.listing(f"result/{run.project}/String_Reverse_Merge/") == []
    assert run.stage.unfinished_uploads() == []


def test_a_small_output_beside_copied_ones_is_held_against_its_checksum(run) -> None:
    run.leave_outputs("reverse", [text(0, LEAST), b"abc\n", text(2, LEAST)])
    key = run.key("String_Reverse", f"reverse_{run.file}_00001")
    run.stage.put(key, b"abd\n")
    message = run.merge("reverse", code=2)
    assert message.startswith(f"output of shard {run.file}_00001 s3://{BUCKET}/{key}: found 4 bytes with SHA-256 ")
    assert run.stage.listing(f"result/{run.project}/String_Reverse_Merge/") == []
    assert run.stage.unfinished_uploads() == []


def test_an_output_that_was_deleted_is_named(run) -> None:
    run.leave_outputs("reverse", [text(0, LEAST), text(1, LEAST)])
    key = run.key("String_Reverse", f"reverse_{run.file}_00000")
    run.stage.client.delete_object(Bucket=BUCKET, Key=key)
    message = run.merge("reverse", code=2)
    assert message.startswith(f"output of shard {run.file}_00000 s3://{BUCKET}/{key}: found no such object")
