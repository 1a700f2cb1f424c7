"""A run that moves with time, and what the API says of it; nothing of it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

FINAL = {"SUCCEEDED", "FAILED", "CANCELLED"}
# State, whether it has a task for each shard, and the part of the run's time in which it goes on.
_STEPS = (
    ("String_Split", False, 0.0, 0.2),
    ("String_Repeat", True, 0.2, 0.8),
    ("String_Reverse", True, 0.3, 0.85),
    ("String_Repeat_Merge", False, 0.8, 0.95),
    ("String_Reverse_Merge", False, 0.85, 1.0),
)


@dataclass
class Run:
    """A run; how far it is follows from the time since it began, unless a test says otherwise by `status_said`.

    One that `waits` has split its input, and no task of it that is not done runs.
    """

    run_id: str
    parameters: dict[str, Any]
    owner: str
    created_at: datetime
    takes_s: float
    shards: int
    workflow: str = "string_processing"
    fails: bool = False
    status_said: str = ""
    stopped_at: datetime | None = None
    reasons: list[str] = field(default_factory=list)
    resumes: int = 0
    waits: bool = False

    @property
    def share(self) -> float:
        """How far it is, from 0 to 1."""
        end = self.stopped_at or datetime.now(UTC)
        return min(1.0, (end - self.created_at).total_seconds() / self.takes_s) if self.takes_s else 1.0

    @property
    def status(self) -> str:
        if self.status_said:
            return self.status_said
        if self.share >= 1:
            return "FAILED" if self.fails else "SUCCEEDED"
        return "RUNNING" if self.share > 0.05 else "PENDING"

    def cancel(self) -> None:
        """Ends it at once; the platform takes up to some minutes."""
        if self.status not in FINAL:
            self.stopped_at, self.status_said = datetime.now(UTC), "CANCELLED"

    def resume(self, takes_s: float) -> None:
        self.status_said, self.fails, self.stopped_at, self.resumes = "", False, None, self.resumes + 1
        self.created_at, self.takes_s = datetime.now(UTC), takes_s

    def tasks(self) -> list[dict[str, Any]]:
        """All tasks, those of a step one after the other; a run that fails does so in the last shard to repeat."""
        return [
            self._task(state, index, begins + index * (ends - begins) / count, (ends - begins) / count)
            for state, count, begins, ends in (
                (state, self.shards if fan_out else 1, begins, ends) for state, fan_out, begins, ends in _STEPS
            )
            for index in range(count)
        ]

    def as_json(self) -> dict[str, Any]:
        final = self.status in FINAL
        stopped = self.stopped_at or self.created_at + timedelta(seconds=self.takes_s)
        reasons = self.reasons or (["String_Repeat-3: line 7 is longer than 64 MiB"] if self.status == "FAILED" else [])
        return {
            "run_id": self.run_id,
            "workflow": self.workflow,
            "project": self.parameters["ProjectNo"],
            "status": self.status,
            "owner": self.owner,
            "created_at": text_of(self.created_at),
            "started_at": None if self.status == "PENDING" else text_of(self.created_at + timedelta(seconds=0.2)),
            "stopped_at": text_of(stopped) if final else None,
            "parameters": self.parameters,
            "reasons": reasons,
            "reason_count": len(reasons),
            "resumes": self.resumes,
        }

    def steps(self, titles: dict[str, str]) -> list[dict[str, Any]]:
        """Each step's counts; how many tasks there are is known once the input is split."""
        tasks = self.tasks()
        counted = []
        for state, title in titles.items():
            own = [task["status"] for task in tasks if task["state"] == state]
            known = state == "String_Split" or self.share > 0.2
            counts = {name.lower(): own.count(name) for name in ("SUCCEEDED", "FAILED", "RUNNING")}
            counted.append({"state": state, "title": title, "total": len(own) if known else None} | counts)
        return counted

    def cost(self, *, is_settled: bool) -> dict[str, Any]:
        """A cost in proportion to the time; that of Spot instances is not known."""
        usd = round(0.004 * self.share, 6)
        return {
            "cost_usd": {"low": usd, "high": usd} if usd else None,
            "on_demand_usd": {"low": usd, "high": usd},
            "spot_usd": None,
            "disks_usd": {"low": 0.0, "high": 0.0},
            "failed_attempts_usd": {"low": 0.0, "high": 0.0},
            "shards": self.shards,
            "notes": ["2 attempts on Spot: the price is <not> known"],
            "region": "eu-central-1",
            "prices_as_of": "2026-01-31",
            "is_settled": is_settled,
            "estimate_error": 0.0 if is_settled else None,
        }

    def _task(self, state: str, index: int, start: float, width: float) -> dict[str, Any]:
        status = "SUCCEEDED" if self.share >= start + width else "RUNNING" if self.share > start else "PENDING"
        if self.waits:
            status = "SUCCEEDED" if state == "String_Split" else "RUNNABLE"
        failed = self.fails and (state, index) == ("String_Repeat", self.shards - 1) and status == "SUCCEEDED"
        if self.fails and state == "String_Repeat_Merge":
            status = "PENDING"
        return {
            "state": state,
            "index": index,
            "status": "FAILED" if failed else status,
            "attempts": 3 if failed else 0 if status == "PENDING" else 1,
            "reason": "line 7 is longer than 64 MiB; <b>found</b> 70000000 bytes" if failed else None,
            "job_id": f"job-{state}-{index}",
            "log_stream": None if status == "PENDING" else f"{state}/default/{index}",
        }


def text_of(moment: datetime) -> str:
    """A time as the API writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
