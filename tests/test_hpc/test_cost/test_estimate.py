"""Estimates: scaled from what earlier runs cost, else between the least and the most that jobs may use."""

from dataclasses import replace

import pytest

from hpc.checks.compute import Environment, Queue
from hpc.cost.estimate import Estimate, Known, Work, by_earlier_runs, by_job_definitions, shards_of
from hpc.cost.interval import Interval
from hpc.cost.prices import Prices
from hpc.run import Run

PRICES = Prices("somewhere", "2026-01-01", {"r6g": 0.05, "r5": 0.06})
WORK = Work({"SPLIT_NUM": 100, "architecture": "graviton"}, 1000, Interval.exactly(10))


def earlier(usd, input_bytes=1000, shards=10, **changes):
    run = Run(
        run_id=f"run-{usd}-{input_bytes}-{shards}",
        workflow="string_processing",
        project="p",
        status="SUCCEEDED",
        created_at="2026-01-31T09:30:00.000Z",
        parameters={"SPLIT_NUM": 100, "architecture": "graviton"},
        shards=shards,
        input_bytes=input_bytes,
        cost={"cost_usd": {"low": usd, "high": usd}},
    )
    return replace(run, **changes)


def kept(run):
    usd = run.cost.get("cost_usd")
    return Known(Interval.of_json(usd), run.shards) if usd else None


def estimated(workflow, *runs):
    return by_earlier_runs(workflow, WORK, runs, kept)


def test_runs_of_the_same_size_are_the_bounds(string_processing):
    assert estimated(string_processing, earlier(0.4), earlier(0.2), earlier(0.3)) == Estimate(
        Interval(0.2, 0.4), "earlier runs", 3
    )


@pytest.mark.parametrize(
    ("input_bytes", "shards", "low", "high"),
    [
        (500, 5, 2, 2),  # twice the bytes, twice the shards
        (500, 10, 1, 2),  # twice the bytes, as many shards
        (1000, 1, 1, 10),  # the same bytes, ten times as many shards
        (4000, 160, 1 / 16, 1 / 4),
        (500, None, 2, 2),  # how many shards it had is not known
    ],
)
def test_another_size_is_scaled_by_bytes_and_by_shards(string_processing, input_bytes, shards, low, high):
    found = estimated(string_processing, earlier(1.0, input_bytes, shards))
    assert found is not None
    assert found.cost == Interval(pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize(
    "other",
    [
        {"workflow": "another"},
        {"status": "FAILED"},
        {"resumes": 1},
        {"input_bytes": 0},
        {"cost": {"cost_usd": None}},
        {"parameters": {"SPLIT_NUM": 100, "architecture": "x86"}},
    ],
)
def test_runs_that_tell_nothing_of_this_one_do_not_count(string_processing, other):
    assert estimated(string_processing, earlier(0.4, **other)) is None


def test_shards_that_are_known_between_bounds_widen_the_estimate(string_processing):
    work = replace(WORK, shards=Interval(5, 20))
    found = by_earlier_runs(string_processing, work, [earlier(1.0)], kept)
    assert found is not None
    assert found.cost == Interval(pytest.approx(0.5), pytest.approx(2))


def test_the_ten_nearest_in_size_count_of_the_newest(string_processing):
    near = [earlier(0.1, 1000 + number) for number in range(10)]
    found = estimated(string_processing, earlier(99.0, 1_000_000), *near, earlier(99.0, 1))
    assert found is not None
    assert found.runs == 10
    assert found.cost is not None
    assert found.cost.high == pytest.approx(0.1)
    late = [earlier(0.5, status="FAILED")] * 500
    assert estimated(string_processing, *late, earlier(0.1)) is None


def queue(kind="EC2", *types, use="first_try"):
    environment = Environment("env", kind, "ENABLED", "VALID", "", 256, types or ("r6g",), ())
    return Queue(use, "graviton", use, "ENABLED", (environment,))


def definitions(**changes):
    asked = [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "2048"}]
    each = {"containerProperties": {"resourceRequirements": asked}, "timeout": {"attemptDurationSeconds": 3600}}
    jobs = ("string_split", "string_repeat", "string_reverse", "string_merge")
    return {job: {**each, **changes} for job in jobs}


def by_definitions(workflow, *queues, work=WORK, **changes):
    return by_job_definitions(workflow, work, definitions(**changes), queues, PRICES).cost


def test_without_earlier_runs_each_task_takes_a_cold_start_to_its_timeout(string_processing):
    # One split, ten shards in each of two branches, two merges.
    tasks = 1 + 2 * 10 + 2
    assert by_definitions(string_processing, queue()) == Interval(
        pytest.approx(tasks * 0.05 * 0.3 / 3600), pytest.approx(tasks * 0.05)
    )


def test_spot_may_cost_a_tenth_and_other_families_other_prices(string_processing):
    found = by_definitions(string_processing, queue("SPOT", "r6g", "r5"), queue("EC2", "r99", use="next_tries"))
    assert found == Interval(pytest.approx(23 * 0.1 * 0.05 * 0.3 / 3600), pytest.approx(23 * 0.06))


def test_what_is_not_known_makes_no_estimate(string_processing):
    assert by_definitions(string_processing, queue("EC2", "r99")) is None
    assert by_definitions(string_processing) is None
    assert by_definitions(string_processing, queue(), timeout=None) is None
    assert by_definitions(string_processing, queue(), work=replace(WORK, shards=None)) is None


@pytest.mark.parametrize(
    ("sample", "input_bytes", "expected"),
    [
        (b"a\n" * 250, 500, Interval.exactly(3)),
        (b"a\n" * 200 + b"a", 401, Interval.exactly(3)),
        (b"a", 1, Interval.exactly(1)),
        (b"", 0, Interval.exactly(1)),
        (b"abc\n" * 250, 400_000, Interval(500, 2000)),
        (b"x" * 1000, 10_000_000, Interval(50, 200)),
        (b"a\n" * 100, 10**12, Interval(1_000_000, 1_000_000)),
    ],
)
def test_the_beginning_of_an_object_tells_about_how_many_shards_it_makes(
    string_processing, sample, input_bytes, expected
):
    assert shards_of(string_processing, {"SPLIT_NUM": 100}, sample, input_bytes) == expected
