"""Figures and tables of the comparison, from made-up seconds."""

import click
import pytest

from benchmarks.measured_run import MeasuredRun, require_room
from benchmarks.memory import Peaks
from benchmarks.workflows import marginal_ms, names, numbers, results_table

SECONDS = {("ours", 100): 3.0, ("ours", 1_000): 21.0, ("make", 100): 1.0, ("make", 1_000): 4.6, ("slow", 100): 9.0}


def rows(table):
    return list(zip(*(column.cells for column in table.columns), strict=True))


def test_the_marginal_cost_is_that_of_a_job_not_of_a_shard():
    assert marginal_ms(SECONDS, "ours") == pytest.approx(10.0)
    assert marginal_ms(SECONDS, "make") == pytest.approx(2.0)
    assert marginal_ms(SECONDS, "slow") is None


def test_tools_are_set_beside_ours_where_both_were_measured():
    assert rows(results_table(SECONDS, (100, 1_000))) == [
        ("ours", "3.0", "21.0", "10.0", "1.00 at 1,000"),
        ("make", "1.0", "4.6", "2.0", "0.22 at 1,000"),
        ("slow", "9.0", "-", "-", "3.00 at 100"),
    ]


def test_without_ours_there_is_no_ratio():
    assert rows(results_table({("make", 100): 1.0}, (100,))) == [("make", "1.0", "-", "-")]


def test_shard_counts_are_sorted_and_divide_the_lines():
    assert numbers(None, None, "100,10,10") == (10, 100)
    for wrong in ("0", "-1", "7", "ten", ""):
        with pytest.raises(click.BadParameter, match="expected numbers that divide 1,000,000"):
            numbers(None, None, wrong)


def test_only_known_tools_are_taken():
    assert names(None, None, "make,ours") == ("make", "ours")
    with pytest.raises(click.BadParameter, match="expected some of ours,make,parallel,snakemake"):
        names(None, None, "make,nosuch")


def test_a_shard_has_two_jobs():
    assert MeasuredRun(1, 1, 5, 1.0, Peaks(), {}).jobs == 10


def test_a_disk_that_is_too_small_is_told_before_anything_is_run(tmp_path):
    require_room(tmp_path, 1)
    with pytest.raises(click.ClickException, match=r"GB free, expected 1000000000\.0 GB"):
        require_room(tmp_path, 10**18)
