"""Amounts that are known within bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Interval:
    """US dollars, or seconds: at least `low`, at most `high`."""

    low: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> Interval:
        return cls(value, value)

    @classmethod
    def around(cls, *intervals: Interval) -> Interval:
        """The smallest interval that has all of these, of which there is at least one."""
        return cls(min(each.low for each in intervals), max(each.high for each in intervals))

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Interval:
        """What `as_json` gave."""
        return cls(float(kept["low"]), float(kept["high"]))

    @classmethod
    def total(cls, intervals: Iterable[Interval]) -> Interval:
        """All of these together; nothing without any."""
        return sum(intervals, NOTHING)

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def times(self, factor: float) -> Interval:
        return Interval(self.low * factor, self.high * factor)

    def as_json(self) -> dict[str, float]:
        """Both bounds to four digits: prices are not known better."""
        return {"low": float(f"{self.low:.4g}"), "high": float(f"{self.high:.4g}")}


NOTHING = Interval(0.0, 0.0)
