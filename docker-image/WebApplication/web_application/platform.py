"""What all runs share: the queues, how full they are, and what their jobs run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template

from web_application import current
from web_application.texts import gettext as _
from web_application.wording import number

blueprint = Blueprint("platform", __name__, url_prefix="/platform")

# The columns of the table: what a person asks for, and Batch's states of it.
_RUNNING = ("STARTING", "RUNNING")
_GROUPS = {
    "waiting": ("SUBMITTED", "PENDING"),
    "machine": ("RUNNABLE",),
    "running": _RUNNING,
    "succeeded": ("SUCCEEDED",),
    "failed": ("FAILED",),
}
_ENDED = frozenset({"SUCCEEDED", "FAILED"})
# Each look takes the platform some thirty calls of Batch: it is asked less often than for a run, and seldom when idle.
_POLLS_WHEN_ACTIVE, _POLLS_WHEN_IDLE = 3, 10


@dataclass(frozen=True)
class Environment:
    """A compute environment."""

    described: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return kind(self.described["kind"])

    @property
    def condition(self) -> str:
        """Its state, or its status where that keeps it from working although nobody disabled it."""
        state, status = str(self.described["state"]), str(self.described["status"])
        return state if state != "ENABLED" or status in {"VALID", "UPDATING"} else status


@dataclass(frozen=True)
class Queue:
    """A job queue and what is in it."""

    described: Mapping[str, Any]

    @property
    def title(self) -> str:
        """Its processors, and which tries of a run go to it."""
        return f"{processors(self.described['architecture'])}, {use(self.described['use'])}"

    @property
    def order(self) -> str:
        """Which kinds of environments its jobs go to, one after the other."""
        return " → ".join(kind(each["kind"]) for each in self.described["environments"])

    @property
    def share(self) -> float:
        """How much of its vCPUs is in use, in percent."""
        most = self.described["max_vcpus"]
        return min(100.0, 100 * self.described["running_vcpus"] / most) if most else 0.0

    @property
    def vcpus(self) -> str:
        """vCPUs in use, with a sign behind them where there may be more."""
        return self._marked(f"{self.described['running_vcpus']:,g}", _RUNNING)

    @property
    def jobs(self) -> dict[str, str]:
        """The figures of the table by column."""
        return {name: self.count(statuses) for name, statuses in _GROUPS.items()}

    @property
    def has_failures(self) -> bool:
        return bool(self.described["jobs"]["FAILED"])

    @property
    def is_active(self) -> bool:
        """Whether anything in it will change by itself."""
        return any(count for status, count in self.described["jobs"].items() if status not in _ENDED)

    def count(self, statuses: Sequence[str]) -> str:
        """Jobs in these states; `1,000+` where there may be more than the API counted."""
        return self._marked(number(sum(self.described["jobs"][status] for status in statuses)), statuses)

    def _marked(self, figure: str, statuses: Sequence[str]) -> str:
        return f"{figure}+" if {*statuses} & {*self.described["at_least"]} else figure


@dataclass(frozen=True)
class View:
    """Everything on the page."""

    queues: list[Queue]

    @property
    def environments(self) -> list[Environment]:
        """Those of all queues, each once."""
        found = {each["name"]: each for queue in self.queues for each in queue.described["environments"]}
        return [Environment(each) for each in found.values()]

    @property
    def polls(self) -> int:
        """After how many of the page's usual intervals it looks again."""
        return _POLLS_WHEN_ACTIVE if any(queue.is_active for queue in self.queues) else _POLLS_WHEN_IDLE


@blueprint.get("")
def show() -> Any:
    """The platform as it is now; the page asks for itself again."""
    return render_template("platform.html", view=View([Queue(each) for each in current.get("platform")["queues"]]))


def processors(architecture: str) -> str:
    """An architecture as people know it; its own name when it has none here."""
    return {"graviton": "Graviton", "x86": "x86"}.get(architecture, architecture)


def use(name: str) -> str:
    """Which tries of a run a queue is for."""
    return {"first_try": _("first tries"), "next_tries": _("later tries")}.get(name, name)


def kind(name: str) -> str:
    """How AWS sells the instances of an environment."""
    return {"SPOT": _("Spot"), "EC2": _("On demand")}.get(name, name)
