"""Why a run waits: what the platform's checks found, asked for only while nothing of the run goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from flask import current_app

from web_application import current
from web_application.api import ApiUnreachable, Problem
from web_application.graph import Step
from web_application.wording import FINAL, seconds_between

# Whatever starts takes a while; between two steps nothing runs for a moment either.
_YOUNG_S = 30.0
# A look is dozens of calls of AWS's, and each open page asks every few seconds.
_GOOD_FOR_S = 30.0

Lines = list[dict[str, Any]]


def reasons(run: Mapping[str, Any], steps: Sequence[Step]) -> Lines:
    """What was found (`sentence` and `fix`, in English), up to half a minute ago; nothing when that cannot be told."""
    return _found(str(run["run_id"])) if waits(run, steps) else []


def waits(run: Mapping[str, Any], steps: Sequence[Step]) -> bool:
    """Whether a run that is no longer new has tasks to do and does none."""
    if run["status"] in FINAL or any(step.running for step in steps):
        return False
    is_done = all(step.total is not None and step.succeeded >= step.total for step in steps)
    return not is_done and (seconds_between(run.get("created_at"), None) or 0.0) > _YOUNG_S


def _found(run_id: str) -> Lines:
    """As it was answered within the last half minute; a refusal counts as an answer.

    Whoever comes while somebody else is still waiting for it gets what was found before: a look may take many seconds,
    and threads are few.
    """
    kept: dict[str, tuple[float, Lines]] = current_app.extensions.setdefault("waiting", {})
    now = time.monotonic()
    # Of a copy: other threads add to it.
    for each, (at, _) in [*kept.items()]:
        if each != run_id and now - at > _GOOD_FOR_S:
            kept.pop(each, None)
    asked_at, lines = kept.get(run_id, (-math.inf, []))
    if now - asked_at <= _GOOD_FOR_S:
        return lines
    kept[run_id] = (now, lines)
    kept[run_id] = (time.monotonic(), found := _asked(run_id))
    return found


def _asked(run_id: str) -> Lines:
    try:
        lines = current.get("runs", run_id, "doctor")["lines"]
    except (Problem, ApiUnreachable):
        return []
    return [line for line in lines if line["status"] == "found"]
