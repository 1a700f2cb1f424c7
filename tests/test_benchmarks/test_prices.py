"""Bills whose sums can be checked by hand."""

import pytest

from benchmarks.prices import dollars
from benchmarks.s3_requests import Requests, merge, pages, run_requests, shard_job, split


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


def test_requests_are_those_of_the_states_that_were_entered():
    entered = {"String_Split": 1, "String_Repeat": 10, "Unheard_Of": 1}
    assert run_requests(entered, 10, grouped=False) == split(10, False) + shard_job(10, False)


def test_a_child_of_a_group_reads_the_manifest_too():
    alone, grouped = shard_job(7, False), shard_job(7, True)
    assert grouped.puts == alone.puts == 14
    assert (alone.gets, grouped.gets) == (7, 14)


def test_a_merged_object_has_at_most_ten_thousand_parts():
    assert merge(1, False) == Requests(puts=1 + 2 + 1, lists=1, gets=1 + 2)
    assert merge(1_000_000, False).puts == 10_000 + 2 + 1
