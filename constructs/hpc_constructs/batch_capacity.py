"""How many vCPUs Batch may use at once, and how Spot and on-demand share them. Imports no CDK."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Architecture:
    """One kind of processor: its name for people, the instance families or types, and its most vCPUs at once."""

    name: str
    instance_types: tuple[str, ...]
    max_vcpus: int


def split_vcpus(max_vcpus: int, *, largest_job: int, spot: bool) -> tuple[int, int]:
    """Spot's and on-demand's share of `max_vcpus`: on-demand gets a quarter, but room for the largest job.

    The shares add up to the setting, so that a deployment never runs more at once than its owner allowed. (Batch may
    exceed a limit by less than one instance.) `least_vcpus` says what the largest job asks for.
    """
    if not spot:
        return 0, max_vcpus
    on_demand = max(-(-max_vcpus // 4), largest_job)
    return max_vcpus - on_demand, on_demand


def least_vcpus(*, largest_job: int, spot: bool) -> int:
    """The smallest setting with which the largest job fits into every environment; else it would wait for ever."""
    return largest_job * 2 if spot else largest_job
