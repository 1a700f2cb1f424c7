"""The queues of the double of the API, as an idle platform has them."""

from __future__ import annotations

from typing import Any

_STATUSES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
_INSTANCES = {"graviton": ["c7g", "m7g", "r7g"], "x86": ["c6a", "m6a", "r6a"]}


def queues() -> list[dict[str, Any]]:
    """Of each architecture the queue of first tries, Spot before on-demand, and that of later ones."""
    found = []
    for architecture in _INSTANCES:
        spot, on_demand = environment(architecture, "SPOT"), environment(architecture, "EC2")
        found.append(queue(architecture, "first_try", spot, on_demand))
        found.append(queue(architecture, "next_tries", on_demand))
    return found


def queue(architecture: str, use: str, *environments: dict[str, Any]) -> dict[str, Any]:
    """An enabled queue without a job."""
    return {
        "name": f"Compute{architecture.capitalize()}{use.title().replace('_', '')}-0aB1cD2eF3gH",
        "architecture": architecture,
        "use": use,
        "state": "ENABLED",
        "environments": [*environments],
        "jobs": dict.fromkeys(_STATUSES, 0),
        "at_least": [],
        "running_vcpus": 0.0,
        "max_vcpus": sum(each["max_vcpus"] for each in environments),
    }


def environment(architecture: str, kind: str) -> dict[str, Any]:
    """One that works."""
    return {
        "name": f"Compute{architecture.capitalize()}{kind.capitalize()}-9zY8xW7vU6tS",
        "kind": kind,
        "state": "ENABLED",
        "status": "VALID",
        "max_vcpus": 256,
        "instance_types": _INSTANCES[architecture],
    }


def make_busy(found: list[dict[str, Any]]) -> None:
    """Many jobs in the first queue, more than the API counts; the last one disabled, and its environment broken."""
    found[0]["jobs"] |= {"PENDING": 1, "RUNNABLE": 640, "STARTING": 8, "RUNNING": 192, "SUCCEEDED": 1000, "FAILED": 3}
    found[0] |= {"at_least": ["SUCCEEDED"], "running_vcpus": 400.0}
    found[1]["jobs"] |= {"RUNNING": 2, "SUCCEEDED": 3}
    found[1] |= {"running_vcpus": 2.5}
    found[-1] |= {"state": "DISABLED", "max_vcpus": 0}
    found[-1]["environments"][0]["status"] = "INVALID"
    found[-2]["environments"][0]["state"] = "DISABLED"
