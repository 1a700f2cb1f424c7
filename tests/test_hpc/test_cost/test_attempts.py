"""Attempts of jobs, what instances they may have run on, and what that costs."""

from datetime import UTC, datetime

import pytest

from hpc.checks.compute import Environment, Queue
from hpc.cost.attempts import Attempt, Size, attempts_of, disk_cost, hourly_cost, on_demand_cost
from hpc.cost.instance_types import family_of, gib_per_vcpu, vcpus_of
from hpc.cost.interval import Interval
from hpc.cost.prices import Prices

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
PRICES = Prices("somewhere", "2026-01-01", {"r6g": 0.05, "r5": 0.06, "m5": 0.04}, gp3_gib_month=0.08)


def environment(kind="SPOT", *types):
    return Environment("env", kind, "ENABLED", "VALID", "", 256, types or ("r6g",), ())


def queue(*environments):
    return Queue("first", "graviton", "first_try", "ENABLED", environments or (environment(),))


def attempt(**values):
    usual = {
        "size": Size(1, 2048),
        "started_at": datetime(2026, 1, 31, 10, tzinfo=UTC),
        "stopped_at": datetime(2026, 1, 31, 11, tzinfo=UTC),
        "instance_types": ("r6g.xlarge",),
        "market": "on-demand",
        "zone": "a",
        "failed": False,
    }
    return Attempt(**{**usual, **values})


def job(*attempts, status="SUCCEEDED"):
    return {"job_id": "j", "status": status, "queue": "first", "vcpus": 1, "memory_mib": 2048, "attempts": [*attempts]}


def test_an_instance_type_tells_its_family_and_size():
    assert [vcpus_of(name) for name in ("r6g.medium", "r5.large", "r5.xlarge", "r6g.16xlarge")] == [1, 2, 4, 64]
    assert [vcpus_of(name) for name in ("r6g", "r5.metal", "")] == [None, None, None]
    assert [family_of(name) for name in ("r6g.16xlarge", "r6g")] == ["r6g", "r6g"]
    assert [gib_per_vcpu(name) for name in ("r6g", "m5", "c7g", "c5n", "p5", "r4")] == [8, 4, 2, 2.625, None, None]


def test_a_job_pays_for_the_share_of_the_instance_that_nobody_else_can_use():
    assert on_demand_cost(attempt(), PRICES) == Interval.exactly(0.05)
    # 16 GiB of an r6g are the memory of two vCPUs.
    assert on_demand_cost(attempt(size=Size(1, 16 * 1024)), PRICES) == Interval.exactly(0.1)
    assert on_demand_cost(attempt(size=Size(0.5, 1024)), PRICES) == Interval.exactly(0.025)


def test_what_is_not_known_of_an_instance_is_an_interval_and_an_unknown_price_is_none():
    assert hourly_cost(Size(1, 2048), ("r6g", "r5.2xlarge"), PRICES) == Interval(0.05, 0.06)
    assert hourly_cost(Size(1, 2048), ("r6g", "r7iz"), PRICES) is None
    assert hourly_cost(Size(1, 2048), (), PRICES) is None


def test_a_disk_is_shared_by_the_jobs_of_an_instance():
    # A quarter of 200 GiB for one of 720 hours.
    found = disk_cost(attempt(), PRICES, 200)
    assert found is not None
    assert found.low == pytest.approx(0.25 * 200 * 0.08 / 720)
    assert disk_cost(attempt(instance_types=("r6g",)), PRICES, 200) is None
    assert disk_cost(attempt(), Prices("elsewhere", "2026-01-01"), 200) is None


def test_attempts_that_did_not_lead_to_the_end_have_failed():
    first = {"started_at": "2026-01-31T09:00:00.000Z", "stopped_at": "2026-01-31T09:30:00.000Z", "exit_code": 1}
    last = {"started_at": "2026-01-31T10:00:00.000Z", "stopped_at": "2026-01-31T10:30:00.000Z", "exit_code": 0}
    found = attempts_of([job(first, last)], {"first": queue()}, NOW)
    assert [(each.failed, each.hours) for each in found] == [(True, 0.5), (False, 0.5)]
    (lost,) = attempts_of([job(last, status="FAILED")], {"first": queue()}, NOW)
    assert lost.failed


def test_a_running_attempt_goes_on_until_now_and_one_that_never_started_costs_nothing():
    running = {"started_at": "2026-01-31T11:00:00.000Z"}
    found = attempts_of([job({"reason": "no image"}, running, status="RUNNING")], {"first": queue()}, NOW)
    assert [(each.failed, each.hours) for each in found] == [(False, 1.0)]


def test_an_instance_tells_type_market_and_zone():
    place = {"container_instance": "arn", "instance_type": "r5.large", "zone": "b", "market": "spot"}
    (found,) = attempts_of([job({"started_at": "2026-01-31T11:00:00Z", **place})], {"first": queue()}, NOW)
    assert (found.instance_types, found.market, found.zone) == (("r5.large",), "spot", "b")


@pytest.mark.parametrize(
    ("environments", "instance", "market"),
    [
        ((environment(),), "arn", "spot"),
        ((environment(), environment("EC2")), "arn", "spot"),
        ((environment("EC2"),), "arn", "on-demand"),
        ((environment(),), None, None),
    ],
)
def test_without_a_place_the_queue_tells_what_it_may_have_been(environments, instance, market):
    given = {"started_at": "2026-01-31T11:00:00Z", "container_instance": instance}
    (found,) = attempts_of([job(given)], {"first": queue(*environments)}, NOW)
    assert (found.market, found.instance_type) == (market, None)
    assert set(found.instance_types) == {"r6g"}


def test_a_job_of_a_queue_that_is_gone_has_no_price():
    (found,) = attempts_of([job({"started_at": "2026-01-31T11:00:00Z"})], {}, NOW)
    assert on_demand_cost(found, PRICES) is None


def test_a_group_is_two_attempts_and_its_children_are_not_counted_again():
    group = {
        **job(),
        "job_id": "group",
        "created_at": "2026-01-31T09:00:00.000Z",
        "child_seconds": {"SUCCEEDED": 7200, "FAILED": 1800.5},
    }
    child = {**job({"started_at": "2026-01-31T11:00:00Z"}), "job_id": "group:7"}
    other = {**job({"started_at": "2026-01-31T11:00:00Z"}), "job_id": "other:7"}
    found = attempts_of([child, group, other], {"first": queue()}, NOW)
    assert [(round(each.hours, 4), each.failed, each.market) for each in found] == [
        (2.0, False, "spot"),
        (0.5001, True, "spot"),
        (1.0, False, None),
    ]
