"""What a run costs so far, or did cost: by the rows of its tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpc.cost.attempts import SPOT, SPOT_SHARES, Attempt, disk_cost, on_demand_cost
from hpc.cost.interval import NOTHING, Interval
from hpc.cost.prices import Prices
from hpc.wording import plural


@dataclass(frozen=True)
class Part:
    """Dollars of one kind as far as they are known, None when nothing is; and in sentences what is not in them."""

    usd: Interval | None
    unknown: tuple[str, ...] = ()

    def as_json(self) -> dict[str, float] | None:
        return self.usd.as_json() if self.usd else None


@dataclass(frozen=True)
class RunCost:
    """A run's cost in US dollars.

    `parts` by name; `failed` is what attempts that failed took of them. `notes` say what was assumed, and what is
    missing in the total. `total` is None when nothing of it is known, or nothing ran yet.
    """

    prices: Prices
    parts: Mapping[str, Part]
    failed: Interval
    notes: tuple[str, ...]

    @property
    def total(self) -> Interval | None:
        total = Interval.total(part.usd for part in self.parts.values() if part.usd)
        return total if total != NOTHING else None

    def as_json(self) -> dict[str, Any]:
        """For scripts; what is not known is null."""
        total = self.total
        return {
            "cost_usd": total.as_json() if total else None,
            **{f"{name}_usd": part.as_json() for name, part in self.parts.items()},
            "failed_attempts_usd": self.failed.as_json(),
            "notes": [*self.notes],
            "region": self.prices.region,
            "prices_as_of": self.prices.as_of,
        }


def run_cost(
    attempts: Sequence[Attempt],
    prices: Prices,
    *,
    spot_cost: Callable[[Attempt], Interval | None],
    root_volume_gib: int,
    services: Mapping[str, Part],
) -> RunCost:
    """The cost of these attempts, and of what `services` have besides; `spot_cost` knows what Spot cost, or None."""
    bill = _Bill(prices, spot_cost)
    for attempt in attempts:
        bill.add(attempt)
    disks = [disk_cost(attempt, prices, root_volume_gib) for attempt in attempts if attempt.market]
    parts = {
        "on_demand": Part(_sum(bill.on_demand)),
        "spot": Part(_sum(bill.spot)),
        "disks": Part(_sum(disks)),
        **services,
    }
    notes = [*bill.notes(), *_missing_disks(disks), *(line for part in services.values() for line in part.unknown)]
    return RunCost(prices, parts, bill.failed, tuple(notes))


class _Bill:
    """Adds up attempts."""

    def __init__(self, prices: Prices, spot_cost: Callable[[Attempt], Interval | None]) -> None:
        self._prices = prices
        self._spot_cost = spot_cost
        self.on_demand: list[Interval | None] = []
        self.spot: list[Interval | None] = []
        self.failed = NOTHING
        self._without_instance = self._without_spot_price = 0
        self._without_price: list[Attempt] = []

    def add(self, attempt: Attempt) -> None:
        cost = on_demand_cost(attempt, self._prices)
        if attempt.market == SPOT:
            known = self._spot_cost(attempt)
            if known is None and cost is not None:
                self._without_spot_price += 1
                known = Interval(cost.low * SPOT_SHARES.low, cost.high * SPOT_SHARES.high)
            cost = known
        (self.spot if attempt.market == SPOT else self.on_demand).append(cost)
        if cost is None:
            self._without_price.append(attempt)
            return
        self._without_instance += attempt.market is None
        if attempt.failed:
            self.failed += cost

    def notes(self) -> list[str]:
        found = []
        if self._without_instance:
            found.append(
                f"{plural(self._without_instance, 'attempt')} ran on no instance of EC2, as on a laptop, and cost "
                "nothing: counted is what they would cost on demand"
            )
        if self._without_spot_price:
            found.append(
                f"{plural(self._without_spot_price, 'attempt')} on Spot: the price is not known; it is taken to be "
                "between a tenth of the on-demand price and all of it"
            )
        if self._without_price:
            types = sorted({name for attempt in self._without_price for name in attempt.instance_types})
            found.append(
                f"{plural(len(self._without_price), 'attempt')} not in the cost: no price is known of "
                f"{', '.join(types) or 'what it ran on'} in {self._prices.region}"
            )
        return found


def _sum(costs: Sequence[Interval | None]) -> Interval | None:
    """Of those that are known; None when none of them is, nothing when there are none."""
    known = [each for each in costs if each is not None]
    return Interval.total(known) if known or not costs else None


def _missing_disks(disks: Sequence[Interval | None]) -> list[str]:
    missing = sum(1 for each in disks if each is None)
    return [f"disks of {plural(missing, 'attempt')} not in the cost: size or price not known"] if missing else []
