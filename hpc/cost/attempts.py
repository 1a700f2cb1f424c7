"""What an attempt of a job costs: its time, by the price of the instance, by the share of the instance that it took.

The share is the larger one of its vCPUs' and its memory's: what is left of the other nobody else can use. What an
instance costs before its first job, after its last and beside its jobs belongs to no job and is not in here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hpc.checks.compute import Queue
from hpc.cost.instance_types import family_of, gib_per_vcpu, vcpus_of
from hpc.cost.interval import Interval
from hpc.cost.prices import HOURS_A_MONTH, Prices

SPOT, ON_DEMAND = "spot", "on-demand"
# "Up to 90 %" less than on demand, and never more than on demand without a maximum price of one's own.
# Sources: https://aws.amazon.com/ec2/spot/ and https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-spot-instances.html
SPOT_SHARES = Interval(0.1, 1.0)
_MIB_PER_GIB = 1024


@dataclass(frozen=True)
class Size:
    """What a job asks for."""

    vcpus: float
    memory_mib: float

    def vcpus_taken(self, family: str) -> float | None:
        """The vCPUs of a family's instance that nobody else can use; None when the family is not known."""
        per_vcpu = gib_per_vcpu(family)
        return max(self.vcpus, self.memory_mib / _MIB_PER_GIB / per_vcpu) if per_vcpu else None


@dataclass(frozen=True)
class Attempt:
    """Time on an instance. `instance_types` has its type, or the types or families that it may have had.

    `market` is None where no instance of EC2 was: on a laptop. `zone` is empty when it is not known.
    """

    size: Size
    started_at: datetime
    stopped_at: datetime
    instance_types: tuple[str, ...]
    market: str | None
    zone: str
    failed: bool

    @property
    def hours(self) -> float:
        return max((self.stopped_at - self.started_at).total_seconds(), 0.0) / 3600

    @property
    def instance_type(self) -> str | None:
        """The type, if that is known with its size."""
        return self.instance_types[0] if len(self.instance_types) == 1 and "." in self.instance_types[0] else None


def on_demand_cost(attempt: Attempt, prices: Prices) -> Interval | None:
    """At on-demand prices, between those of the families that it may have run on; None when one is not known."""
    hourly = hourly_cost(attempt.size, attempt.instance_types, prices)
    return hourly.times(attempt.hours) if hourly else None


def hourly_cost(size: Size, instance_types: Sequence[str], prices: Prices) -> Interval | None:
    """An hour of such a job on one of these families or types, on demand; None when one has no known price."""
    found = []
    for family in sorted({family_of(name) for name in instance_types}):
        price, taken = prices.vcpu_hour.get(family), size.vcpus_taken(family)
        if price is None or taken is None:
            return None
        found.append(Interval.exactly(price * taken))
    return Interval.around(*found) if found else None


def disk_cost(attempt: Attempt, prices: Prices, root_volume_gib: int) -> Interval | None:
    """Its share of the instance's disk; None when the instance's size or the price is not known."""
    vcpus = vcpus_of(attempt.instance_type or "")
    taken = attempt.size.vcpus_taken(family_of(attempt.instance_type or ""))
    if prices.gp3_gib_month is None or vcpus is None or taken is None:
        return None
    share = min(taken / vcpus, 1.0)
    return Interval.exactly(share * root_volume_gib * prices.gp3_gib_month * attempt.hours / HOURS_A_MONTH)


def attempts_of(jobs: Iterable[Mapping[str, Any]], queues: Mapping[str, Queue], now: datetime) -> list[Attempt]:
    """The attempts of a run's jobs, as `task_rows.jobs_of` gives them; those that run go on until `now`.

    A group that is over is one attempt for all of its children that succeeded, and one for all that failed; children
    that have rows of their own are not counted again.
    """
    all_jobs = [*jobs]
    timed = {job["job_id"] for job in all_jobs if "child_seconds" in job}
    found: list[Attempt] = []
    for job in all_jobs:
        queue = queues.get(str(job.get("queue")))
        if job["job_id"] in timed:
            found += _of_group(job, queue)
        elif job["job_id"].rpartition(":")[0] not in timed:
            found += _of_job(job, queue, now)
    return found


def _of_group(job: Mapping[str, Any], queue: Queue | None) -> Iterator[Attempt]:
    """Nobody tells on which instances the children ran."""
    began = datetime.fromisoformat(job["created_at"])
    for status, seconds in job["child_seconds"].items():
        if seconds:
            yield Attempt(
                size=Size(float(job["vcpus"]), float(job["memory_mib"])),
                started_at=began,
                stopped_at=began + timedelta(seconds=float(seconds)),
                instance_types=_types_of(queue),
                market=market_of(queue),
                zone="",
                failed=status == "FAILED",
            )


def _of_job(job: Mapping[str, Any], queue: Queue | None, now: datetime) -> Iterator[Attempt]:
    if "vcpus" not in job or "memory_mib" not in job:
        return
    size = Size(float(job["vcpus"]), float(job["memory_mib"]))
    tries = [each for each in job.get("attempts", []) if each.get("started_at")]
    for number, each in enumerate(tries):
        stopped = each.get("stopped_at")
        is_last = number == len(tries) - 1
        types, market = _instance(each, queue)
        yield Attempt(
            size=size,
            started_at=datetime.fromisoformat(each["started_at"]),
            stopped_at=datetime.fromisoformat(stopped) if stopped else now,
            instance_types=types,
            market=market,
            zone=each.get("zone") or "",
            failed=bool(stopped) and not (is_last and job.get("status") == "SUCCEEDED"),
        )


def _instance(attempt: Mapping[str, Any], queue: Queue | None) -> tuple[tuple[str, ...], str | None]:
    """Types and market: of its instance, else what its queue may give it."""
    if attempt.get("instance_type"):
        return (attempt["instance_type"],), attempt.get("market") or ON_DEMAND
    types = _types_of(queue)
    if not attempt.get("container_instance"):
        return types, None
    return types, market_of(queue)


def _types_of(queue: Queue | None) -> tuple[str, ...]:
    return tuple(name for each in queue.environments for name in each.instance_types) if queue else ()


def market_of(queue: Queue | None) -> str:
    """Spot when the queue may use it: its bounds have the on-demand price in them."""
    return SPOT if queue and any(each.kind == "SPOT" for each in queue.environments) else ON_DEMAND
