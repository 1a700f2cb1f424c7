"""Patterns of keys: reading them, and cutting them down to what is allowed."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc_constructs.key_patterns import BucketKeys, narrowed, parse_bucket_keys


@pytest.mark.parametrize(
    ("pattern", "allowed", "left"),
    [
        ("result/*/String_Split/*", "result/*", "result/*/String_Split/*"),
        ("result/*/String_Split/*", "*", "result/*/String_Split/*"),
        ("result/*/String_Split/*", "result/P1/*", "result/P1/String_Split/*"),
        ("result/*/records/*/String_Split.*", "result/P1/*", "result/P1/records/*/String_Split.*"),
        ("result/*/records/*/String_Split.*", "result/*/records/*", "result/*/records/*/String_Split.*"),
        ("result/*/records/*/String_Split.*", "result/*/*/*/String_Split.json", "result/*/records/*/String_Split.json"),
        ("result/*/String_Split/*", "result/P1/String_Split/x.txt", "result/P1/String_Split/x.txt"),
        ("result/*/String_Split/*", "shared/*", None),
        ("result/*/String_Split/*", "result/P1/String_Merge/*", None),
        ("result/*/String_Split/*", "result", None),
    ],
)
def test_a_pattern_cut_down_to_what_is_allowed(pattern: str, allowed: str, left: str | None) -> None:
    assert narrowed([pattern], [allowed]) == ((left,) if left else ())


def test_several_patterns_and_limits_give_each_result_once() -> None:
    assert narrowed(["result/*/a/*", "result/*/b/*"], ["result/P1/*", "result/*"]) == (
        "result/P1/a/*",
        "result/*/a/*",
        "result/P1/b/*",
        "result/*/b/*",
    )


FOLDERS = st.sampled_from(["result", "P1", "P2", "a*", "*", "*.json", "x.json"])
PATTERNS = st.lists(FOLDERS, min_size=1, max_size=4).map("/".join)
KEYS = st.lists(st.sampled_from(["result", "P1", "P2", "ab", "x.json"]), min_size=1, max_size=5).map("/".join)


@given(PATTERNS, PATTERNS, KEYS)
def test_what_is_left_is_never_wider_than_either_side(pattern: str, allowed: str, key: str) -> None:
    for left in narrowed([pattern], [allowed]):
        if fnmatch.fnmatchcase(key, left):
            assert fnmatch.fnmatchcase(key, pattern)
            assert fnmatch.fnmatchcase(key, allowed)


def test_buckets_with_their_keys() -> None:
    assert parse_bucket_keys("genomes:raw/*; archive:2024/*, 2025/*") == (
        BucketKeys("genomes", ("raw/*",)),
        BucketKeys("archive", ("2024/*", "2025/*")),
    )


@pytest.mark.parametrize(
    "text", ["genomes", "genomes:", "G:raw/*", "genomes:/raw", "genomes:raw/*;", "b-1:a;b-1:c", "a:b"]
)
def test_what_is_no_list_of_buckets(text: str) -> None:
    with pytest.raises(ValueError):
        parse_bucket_keys(text)
