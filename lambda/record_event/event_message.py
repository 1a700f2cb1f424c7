"""A message of the queue: an event of EventBridge, or one of the same form that the reconciler sends."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

JOB_CHANGED = "Batch Job State Change"
EXECUTION_CHANGED = "Step Functions Execution Status Change"


class EventError(Exception):
    """The message does not hold an event of the kinds that the rules send."""


@dataclass(frozen=True)
class Message:
    """`time_ms` is when somebody saw this state of things; `task` names the task of a group's child, None of others."""

    message_id: str
    kind: str
    time_ms: int
    detail: Mapping[str, Any]
    task: tuple[str, int] | None

    @property
    def is_of_execution(self) -> bool:
        return self.kind == EXECUTION_CHANGED

    @classmethod
    def parse(cls, record: Mapping[str, Any]) -> "Message":
        """Raises EventError, which says what was found and what was expected."""
        try:
            body = json.loads(record["body"])
            kind, detail = body["detail-type"], body["detail"]
            task = body.get("task")
            parsed = cls(
                message_id=record["messageId"],
                kind=kind,
                time_ms=milliseconds(body["time"]),
                detail=detail,
                task=(str(task["state"]), int(task["index"])) if task else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise EventError(f"found {str(record.get('body'))!r:.200} ({error!r}), expected an event") from error
        if kind not in (JOB_CHANGED, EXECUTION_CHANGED) or not isinstance(detail, dict):
            raise EventError(f"found {kind!r:.100}, expected {JOB_CHANGED!r} or {EXECUTION_CHANGED!r}")
        return parsed


def milliseconds(text: str) -> int:
    """Milliseconds since 1970 of a time in ISO 8601."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def as_text(moment_ms: Any) -> str | None:
    """A time as rows have it, `2026-01-31T09:30:00.000Z`; None when it is not known."""
    if not moment_ms:
        return None
    moment = datetime.fromtimestamp(int(moment_ms) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
