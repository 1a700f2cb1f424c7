"""What Spot instances cost: by type, zone and time, from EC2's history, which goes back 90 days.

Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSpotPriceHistory.html
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from hpc.checks.findings import COULD_NOT_LOOK
from hpc.connection import Connection
from hpc.cost.attempts import SPOT, Attempt
from hpc.cost.instance_types import family_of, vcpus_of
from hpc.cost.interval import Interval

Place = tuple[str, str]


class SpotPrices:
    """The history of the places (type and zone) of some attempts; empty where it may not be asked for."""

    def __init__(self, connection: Connection, attempts: Iterable[Attempt]) -> None:
        spans: dict[Place, tuple[datetime, datetime]] = {}
        for attempt in attempts:
            if attempt.market == SPOT and attempt.instance_type and attempt.zone:
                place = attempt.instance_type, attempt.zone
                start, end = spans.get(place, (attempt.started_at, attempt.stopped_at))
                spans[place] = min(start, attempt.started_at), max(end, attempt.stopped_at)
        self._changes = {place: _history(connection, place, span) for place, span in spans.items()}

    def cost(self, attempt: Attempt) -> Interval | None:
        """What an attempt cost; None when a price is not known for all of its time."""
        place = attempt.instance_type or "", attempt.zone
        vcpus, taken = vcpus_of(place[0]), attempt.size.vcpus_taken(family_of(place[0]))
        changes = self._changes.get(place)
        if not changes or vcpus is None or taken is None or changes[0][0] > attempt.started_at:
            return None
        dollars = 0.0
        ends = [*(time for time, _ in changes[1:]), max(attempt.stopped_at, changes[-1][0])]
        for (begins, price), ends_at in zip(changes, ends, strict=True):
            seconds = (min(ends_at, attempt.stopped_at) - max(begins, attempt.started_at)).total_seconds()
            dollars += price * max(seconds, 0.0) / 3600
        return Interval.exactly(dollars * min(taken / vcpus, 1.0))


def _history(connection: Connection, place: Place, span: tuple[datetime, datetime]) -> list[tuple[datetime, float]]:
    """Prices from each time on, oldest first; EC2 gives the price at the start of the span, too."""
    instance_type, zone = place
    try:
        pages = connection.client("ec2").get_paginator("describe_spot_price_history")
        answers = pages.paginate(
            InstanceTypes=[instance_type],
            AvailabilityZone=zone,
            ProductDescriptions=["Linux/UNIX"],
            StartTime=span[0],
            EndTime=span[1],
        )
        found = [(each["Timestamp"], float(each["SpotPrice"])) for page in answers for each in page["SpotPriceHistory"]]
    except COULD_NOT_LOOK:
        return []
    return sorted(found)
