"""vCPUs and memory in use: of the laptop, and vCPUs of each compute environment."""

from collections import defaultdict
from typing import Any

from hpc.local.batch.model import Placement
from hpc.local.batch.resources import Resources

Record = dict[str, Any]


class Capacity:
    """Counts what running attempts take. Not locked by itself: whoever uses it holds the service's lock."""

    def __init__(self, vcpus: int, memory_mib: int) -> None:
        self._all = Resources(float(vcpus), memory_mib)
        self._vcpus_in_use = 0.0
        self._memory_mib_in_use = 0
        self._environment_vcpus: defaultdict[str, float] = defaultdict(float)

    def place(self, asked: Resources, environments: list[Record]) -> Placement | None:
        """The first enabled environment of a queue with room for a job, None when all are full or disabled.

        An environment counts what the job asks for, as on AWS; the laptop counts at most all that it has.
        """
        taken = Resources(min(asked.vcpus, self._all.vcpus), min(asked.memory_mib, self._all.memory_mib))
        for record in environments:
            arn = record["computeEnvironmentArn"]
            room = record["computeResources"]["maxvCpus"] - self._environment_vcpus[arn]
            if record["state"] == "ENABLED" and asked.vcpus <= room:
                return Placement(arn, record["computeEnvironmentName"], asked, taken)
        return None

    def fits(self, placement: Placement) -> bool:
        """Whether the laptop has room now."""
        return (
            self._vcpus_in_use + placement.taken.vcpus <= self._all.vcpus
            and self._memory_mib_in_use + placement.taken.memory_mib <= self._all.memory_mib
        )

    def take(self, placement: Placement) -> None:
        self._count(placement, 1)

    def give_back(self, placement: Placement) -> None:
        self._count(placement, -1)

    def _count(self, placement: Placement, sign: int) -> None:
        self._vcpus_in_use += sign * placement.taken.vcpus
        self._memory_mib_in_use += sign * placement.taken.memory_mib
        self._environment_vcpus[placement.environment_arn] += sign * placement.asked.vcpus


def is_too_large(asked: Resources, environments: list[Record]) -> bool:
    """Whether no compute environment of a queue could ever run a job, however empty it is."""
    return all(asked.vcpus > record["computeResources"]["maxvCpus"] for record in environments)
