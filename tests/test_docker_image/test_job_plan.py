"""Which parts a merge makes of outputs of given sizes: S3's limits, by table and by properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from string_merge.plan import (
    JOINED_PART_BYTES,
    LARGEST_LEAST_BYTES,
    Part,
    largest_copy_bytes,
    least_part_bytes,
    plan_parts,
)

MIB = 1024**2
GIB = 1024**3
TIB = 1024**4
S3_LEAST_PART_BYTES = 5 * MIB
S3_LARGEST_PART_BYTES = 5 * GIB
S3_MAX_PARTS = 10_000

AROUND_THE_LIMITS = st.sampled_from([1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB - 1, 10 * MIB, GIB, GIB + 1])
SIZES = st.lists(AROUND_THE_LIMITS | st.integers(1, 12 * MIB) | st.integers(1, 40 * GIB), max_size=40)


def copied(index: int, start: int, stop: int) -> Part:
    return Part(index, start, index, stop, copied=True)


def joined(first: int, last: int, stop: int) -> Part:
    return Part(first, 0, last, stop, copied=False)


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([7], [joined(0, 0, 7)], id="one small"),
        pytest.param([5 * MIB], [copied(0, 0, 5 * MIB)], id="one as large as a part must be"),
        pytest.param([5 * MIB - 1], [joined(0, 0, 5 * MIB - 1)], id="one a byte smaller"),
        pytest.param(
            [6 * MIB, 7 * MIB, 3],
            [copied(0, 0, 6 * MIB), copied(1, 0, 7 * MIB), joined(2, 2, 3)],
            id="the last part may be small",
        ),
        pytest.param(
            [6 * MIB, 3 * MIB, 2 * MIB, 7 * MIB],
            [copied(0, 0, 6 * MIB), joined(1, 2, 2 * MIB), copied(3, 0, 7 * MIB)],
            id="a run that makes a part",
        ),
        pytest.param(
            [3 * MIB, 20 * MIB],
            [joined(0, 1, 2 * MIB), copied(1, 2 * MIB, 20 * MIB)],
            id="a run that takes what it lacks from the next",
        ),
        pytest.param([3 * MIB, 6 * MIB], [joined(0, 1, 6 * MIB)], id="a run that takes all of the next"),
        pytest.param(
            [3 * MIB, 7 * MIB],
            [joined(0, 1, 2 * MIB), copied(1, 2 * MIB, 7 * MIB)],
            id="a run that leaves just enough of the next",
        ),
        pytest.param(
            [4 * MIB] * 5 + [6 * MIB],
            [joined(0, 3, 4 * MIB), joined(4, 5, MIB), copied(5, MIB, 6 * MIB)],
            id="a long run in parts",
        ),
        pytest.param(
            [128 * MIB + 1],
            [
                copied(0, 0, (128 * MIB + 1) // 3),
                copied(0, (128 * MIB + 1) // 3, 2 * (128 * MIB + 1) // 3),
                copied(0, 2 * (128 * MIB + 1) // 3, 128 * MIB + 1),
            ],
            id="a large one in pieces",
        ),
    ],
)
def test_parts_of_outputs(sizes: list[int], parts: list[Part]) -> None:
    assert plan_parts(sizes) == parts


def assert_is_a_plan(sizes: list[int]) -> list[Part]:
    """Every byte once and in order, in parts that S3 accepts and memory can hold; returns them."""
    parts = plan_parts(sizes)
    least = least_part_bytes(sum(sizes))
    position = (0, 0)
    lengths = []
    for part in parts:
        pieces = list(part.pieces(sizes))
        for index, span in pieces:
            assert (index, span.start) == position
            assert 0 < len(span) <= sizes[index] - span.start
            position = (index, span.stop) if span.stop < sizes[index] else (index + 1, 0)
        lengths.append(sum(len(span) for _, span in pieces))
        if part.copied:
            assert len(pieces) == 1
            assert lengths[-1] <= largest_copy_bytes(sum(sizes)) <= S3_LARGEST_PART_BYTES
        else:
            assert all(span.start == 0 for _, span in pieces)
            assert lengths[-1] < max(JOINED_PART_BYTES + least, 2 * least) <= 2 * LARGEST_LEAST_BYTES
    assert position == (len(sizes), 0)
    assert all(length >= S3_LEAST_PART_BYTES for length in lengths[:-1])
    assert len(parts) <= S3_MAX_PARTS
    return parts


@given(SIZES)
def test_a_plan_is_every_byte_once_in_parts_that_s3_accepts(sizes: list[int]) -> None:
    assert_is_a_plan(sizes)


@pytest.mark.parametrize(
    ("sizes", "are_copied"),
    [
        pytest.param([6 * MIB] * 20_000, False, id="117 GiB in outputs that would be too many parts"),
        pytest.param([6 * MIB] * 8_000, True, id="47 GiB in outputs that are few enough"),
        pytest.param([1, 6 * MIB] * 5_000, False, id="29 GiB, each second output small, the others just large enough"),
        pytest.param([1, 12 * MIB] * 4_000, True, id="47 GiB, each second output small"),
        pytest.param([6_400 * 1024] * 99_999, False, id="610 GiB in small outputs"),
        pytest.param([624 * GIB], True, id="624 GiB in one"),
        pytest.param([GIB - 1] * 5_000, True, id="5 TiB in outputs of 1 GiB"),
    ],
)
def test_many_outputs_need_no_more_parts_than_s3_permits(sizes: list[int], are_copied: bool) -> None:
    assert any(part.copied for part in assert_is_a_plan(sizes)) == are_copied


def test_the_least_part_grows_with_the_total_up_to_what_memory_can_hold() -> None:
    assert least_part_bytes(0) == least_part_bytes(48 * GIB) == S3_LEAST_PART_BYTES
    assert least_part_bytes(100 * GIB) == -(-100 * GIB // 9_999)
    assert least_part_bytes(5 * TIB) == LARGEST_LEAST_BYTES


def test_pieces_of_a_copy_grow_with_the_total() -> None:
    assert largest_copy_bytes(0) == largest_copy_bytes(312 * GIB) == 64 * MIB
    assert largest_copy_bytes(5 * TIB) == 2 * -(-5 * TIB // 9_999)
