"""A run: what its row in the run table says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hpc.connection import plain
from hpc.errors import WrongInput
from hpc.wording import quoted

FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
# Ids that a submission makes; and the names of executions that a person started by hand, which serve as run ids too.
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")


@dataclass(frozen=True)
class Run:
    """A run's row; times are ISO 8601 in UTC, empty until they are known.

    `code` has an id of the code of each job. `redo` are the states that the newest execution makes anew, `made_since`
    those that earlier ones did, each with the start of that execution: older records of them do not count. `owner` is
    the principal who submitted it; empty for an execution that a person started by hand. `input_bytes` is 0 when not
    known; `estimate` and `cost` are as `hpc.cost` made them. `settled` is the execution after which the rows of tasks
    were found to be what they stay.
    """

    run_id: str
    workflow: str
    project: str
    status: str
    created_at: str
    started_at: str = ""
    stopped_at: str = ""
    execution_arn: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    reason_count: int = 0
    shards: int | None = None
    input_etag: str = ""
    code: Mapping[str, str] = field(default_factory=dict)
    redo: tuple[str, ...] = ()
    made_since: Mapping[str, str] = field(default_factory=dict)
    resumes: int = 0
    resumed_at: str = ""
    owner: str = ""
    input_bytes: int = 0
    estimate: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, Any] = field(default_factory=dict)
    settled: str = ""

    @property
    def is_settled(self) -> bool:
        """Whether nothing of the run can change any more, its tasks' rows included."""
        return self.is_final and bool(self.settled) and self.settled == self.execution_arn

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    def as_json(self) -> dict[str, Any]:
        """The run for scripts; what is not known is null."""
        return {
            "run_id": self.run_id,
            "workflow": self.workflow,
            "project": self.project,
            "status": self.status,
            "owner": self.owner or None,
            "created_at": self.created_at,
            "started_at": self.started_at or None,
            "stopped_at": self.stopped_at or None,
            "parameters": dict(self.parameters),
            "reasons": list(self.reasons),
            "reason_count": self.reason_count,
            "resumes": self.resumes,
        }

    def as_item(self) -> dict[str, Any]:
        """The row of a new run, as DynamoDB takes it; what nothing is known of is left out."""
        item: dict[str, Any] = {
            "pk": f"RUN#{self.run_id}",
            "sk": "META",
            "status": self.status,
            "workflow": self.workflow,
            "project": self.project,
            "created_at": self.created_at,
            "execution_arn": self.execution_arn,
            "parameters": dict(self.parameters),
            "input_etag": self.input_etag,
            "code": dict(self.code),
        }
        if self.shards is not None:
            item["shards"] = self.shards
        if self.owner:
            item["owner"] = self.owner
        if self.input_bytes:
            item["input_bytes"] = self.input_bytes
        if self.estimate:
            item["estimate"] = json.dumps(dict(self.estimate))
        return item

    @classmethod
    def of_item(cls, item: Mapping[str, Any]) -> Run:
        """A row, whoever wrote it; the state machine writes fewer attributes than a submission."""
        reasons = [str(reason) for reason in _list(item.get("reasons"))]
        if item.get("reason"):
            reasons.insert(0, str(item["reason"]))
        shards = item.get("shards")
        return cls(
            run_id=item["pk"].removeprefix("RUN#"),
            workflow=item.get("workflow", ""),
            project=item.get("project", ""),
            status=item.get("status", "PENDING"),
            created_at=item.get("created_at", ""),
            started_at=item.get("started_at", ""),
            stopped_at=item.get("stopped_at", ""),
            execution_arn=item.get("execution_arn", ""),
            parameters=plain(item.get("parameters", {})),
            reasons=tuple(reasons),
            reason_count=max(int(item.get("reason_count", 0)), len(reasons)),
            shards=None if shards is None else int(shards),
            input_etag=item.get("input_etag", ""),
            code=dict(item.get("code", {})),
            redo=tuple(item.get("redo", ())),
            made_since=dict(item.get("made_since", {})),
            resumes=int(item.get("resumes", 0)),
            resumed_at=item.get("resumed_at", ""),
            owner=item.get("owner", ""),
            input_bytes=int(item.get("input_bytes", 0)),
            estimate=json.loads(item.get("estimate", "{}")),
            cost=json.loads(item.get("cost", "{}")),
            settled=item.get("settled", ""),
        )


def is_run_id(text: str) -> bool:
    """Whether a text could be a run's id."""
    return _RUN_ID.fullmatch(text) is not None


def check_run_id(text: str) -> str:
    """`text`, if it could be a run's id; raises WrongInput."""
    if not is_run_id(text):
        raise WrongInput(
            f"RUN: found {quoted(text)}; expected a run's id such as 20260131-093000-1a2b3c; see: hpc runs"
        )
    return text


def now() -> str:
    """The time as rows have it, to the millisecond."""
    return as_text(datetime.now(UTC))


def as_text(moment: datetime) -> str:
    """A time as rows have it: `2026-01-31T09:30:00.000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _list(text: Any) -> list[Any]:
    try:
        value = json.loads(text) if text else []
    except (TypeError, ValueError):
        return [text]
    return value if isinstance(value, list) else [value]
