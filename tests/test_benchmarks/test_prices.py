"""Bills whose sums can be checked by hand."""

import pytest

from benchmarks.prices import dollars
from benchmarks.s3_requests import (
    GIB,
    KIB,
    MIB,
    STATES,
    Requests,
    Work,
    check_output,
    job_map,
    merge,
    pages,
    run_requests,
    shard_job,
    split,
    writes,
)


def test_a_bill_is_the_sum_of_its_parts():
    bill = dollars(
        transitions=1_000_000,
        invocations=1_000_000,
        lambda_gb_s=0,
        puts_and_lists=1_000,
        gets=10_000,
        writes=1_000_000,
        publishes=0,
    )
    assert bill.step_functions == pytest.approx(25.0)
    assert bill.functions == pytest.approx(0.20)
    assert bill.s3 == pytest.approx(0.005 + 0.004)
    assert bill.dynamodb == pytest.approx(0.625)
    assert bill.total == pytest.approx(25.0 + 0.20 + 0.009 + 0.625)


@pytest.mark.parametrize(("keys", "expected"), [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (2_000_003, 2_001)])
def test_a_listing_needs_a_request_for_each_thousand_keys(keys, expected):
    assert pages(keys) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, 1),
        (16 * MIB - 1, 1),
        (16 * MIB, 1 + 2),
        (16 * MIB + 1, 2 + 2),
        (2_000 * 16 * MIB, 2_000 + 2),
        (2_000 * 16 * MIB + 1, 2_001 + 2),
        (718 * GIB + 512 * MIB, 9_998 + 2),
    ],
)
def test_an_object_is_one_put_or_parts_that_grow(size, expected):
    assert writes(size) == expected


def test_requests_are_those_of_the_states_that_were_entered():
    work = Work(10)
    entered = {"String_Split": 1, "String_Repeat": 10, "Unheard_Of": 1}
    assert run_requests(entered, work) == split(work) + shard_job("String_Repeat")(work)


# What boto3 sends to S3 while the jobs run: 20 shards of 1.4 MB, and 4 shards of 21 MB whose outputs S3 copies.
@pytest.mark.parametrize(
    ("state", "work", "sent"),
    [
        ("String_Split", Work(20, shard_bytes=1_400_000), Requests(puts=22, gets=2)),
        ("String_Split", Work(4, shard_bytes=20_900_000), Requests(puts=4 * 4 + 2, gets=3)),
        ("String_Repeat", Work(20, shard_bytes=1_400_000), Requests(puts=40, gets=20)),
        ("String_Repeat_Group", Work(20, shard_bytes=1_400_000), Requests(puts=40, gets=20)),
        ("String_Repeat_Group", Work(4, shard_bytes=20_900_000), Requests(puts=4 * (5 + 1), gets=4)),
        ("String_Repeat_Merge", Work(20, shard_bytes=1_400_000), Requests(puts=7, lists=1, gets=41)),
        ("String_Repeat_Merge", Work(4, shard_bytes=20_900_000), Requests(puts=7, lists=1, gets=5)),
    ],
)
def test_the_model_has_the_requests_that_the_jobs_send(state, work, sent):
    assert STATES[state](work) == sent


def test_what_the_first_try_has_to_do_is_a_manifest_a_branch():
    alone, grouped = job_map(Work(10_000)), job_map(Work(1_000_000))
    assert alone == Requests(puts=2, lists=1 + 2 * (1 + 1), gets=1)
    assert grouped == Requests(puts=2, lists=1 + 2 * (100 + 1), gets=1)


def test_a_check_lists_shards_outputs_and_records():
    assert check_output(Work(1_000)) == Requests(puts=1, lists=2 + 1 + 2 * (1 + 1 + 1 + 1), gets=3)


def test_a_merge_of_a_million_small_outputs_has_parts_that_grow():
    merged_bytes, record_bytes = 1_000_000 * 2 * 128 * KIB, 1_000_000 * 400
    assert merge("String_Repeat")(Work(1_000_000, shard_bytes=128 * KIB)) == Requests(
        puts=writes(merged_bytes) + writes(record_bytes), lists=1_000, gets=1 + 2_000_000
    )
