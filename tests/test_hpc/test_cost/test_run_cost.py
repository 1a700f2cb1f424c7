"""A run's bill out of its attempts: kinds apart, waste named, nothing unknown hidden."""

from datetime import UTC, datetime

import pytest

from hpc.cost.attempts import Attempt, Size
from hpc.cost.interval import NOTHING, Interval
from hpc.cost.prices import Prices
from hpc.cost.run_cost import Part, run_cost

PRICES = Prices("somewhere", "2026-01-01", {"r6g": 0.05}, gp3_gib_month=0.072)


def attempt(market="on-demand", *, failed=False, types=("r6g.large",)):
    start, stop = (datetime(2026, 1, 31, hour, tzinfo=UTC) for hour in (10, 11))
    return Attempt(Size(1, 2048), start, stop, types, market, "a", failed)


def cost(*attempts, spot=lambda _attempt: None, **services):
    return run_cost(attempts, PRICES, spot_cost=spot, root_volume_gib=100, services=services)


def test_spot_on_demand_disks_and_waste_are_apart():
    found = cost(attempt(), attempt("spot", failed=True), spot=lambda _attempt: Interval.exactly(0.02)).as_json()
    assert found["on_demand_usd"] == {"low": 0.05, "high": 0.05}
    assert found["spot_usd"] == found["failed_attempts_usd"] == {"low": 0.02, "high": 0.02}
    # Half of 100 GiB, twice an hour.
    assert found["disks_usd"]["low"] == pytest.approx(2 * 0.5 * 100 * 0.072 / 720)
    assert found["cost_usd"]["low"] == pytest.approx(0.08)
    assert found["notes"] == []
    assert (found["region"], found["prices_as_of"]) == ("somewhere", "2026-01-01")


def test_a_spot_price_that_is_not_known_is_between_a_tenth_of_on_demand_and_all_of_it():
    found = cost(attempt("spot"))
    assert found.parts["spot"].usd == Interval(pytest.approx(0.005), 0.05)
    assert found.parts["on_demand"].usd == NOTHING
    assert any("1 attempt on Spot: the price is not known" in note for note in found.notes)


def test_an_unknown_price_is_not_nothing():
    found = cost(attempt(types=("z1d.large",)))
    assert found.total is None
    assert found.as_json()["cost_usd"] is None
    assert found.notes == (
        "1 attempt not in the cost: no price is known of z1d.large in somewhere",
        "disks of 1 attempt not in the cost: size or price not known",
    )
    beside = cost(attempt(), attempt(types=("z1d.large",)))
    assert beside.parts["on_demand"].usd == Interval.exactly(0.05)
    assert len(beside.notes) == 2


def test_a_laptop_is_told_what_the_same_would_cost_on_demand():
    found = cost(attempt(None, types=("r6g",)))
    assert found.parts["on_demand"].usd == Interval.exactly(0.05)
    assert found.parts["disks"].usd == NOTHING
    assert len(found.notes) == 1
    assert "ran on no instance of EC2" in found.notes[0]


def test_a_run_without_attempts_has_no_cost_yet():
    assert cost().as_json()["cost_usd"] is None


def test_services_are_added_and_say_what_they_leave_out():
    found = cost(attempt(), requests=Part(Interval.exactly(0.01)), functions=Part(None, ("no price of Lambda",)))
    assert found.as_json()["requests_usd"] == {"low": 0.01, "high": 0.01}
    assert found.as_json()["functions_usd"] is None
    assert found.total is not None
    assert found.total.low == pytest.approx(0.05 + 0.01 + 0.5 * 100 * 0.072 / 720)
    assert found.notes == ("no price of Lambda",)
