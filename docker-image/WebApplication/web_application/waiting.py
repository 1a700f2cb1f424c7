"""Why a run waits: what the platform's checks found, asked for only while nothing of the run goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from web_application import current
from web_application.api import ApiUnreachable, Problem
from web_application.graph import Step
from web_application.recent import recent
from web_application.wording import FINAL, seconds_between

# Whatever starts takes a while; between two steps nothing runs for a moment either.
_YOUNG_S = 30.0

Lines = list[dict[str, Any]]


def reasons(run: Mapping[str, Any], steps: Sequence[Step]) -> Lines:
    """What was found (`sentence` and `fix`, in English), up to half a minute ago; nothing when that cannot be told."""
    if not waits(run, steps):
        return []
    run_id = str(run["run_id"])
    return recent("doctor", run_id, lambda: _asked(run_id), meanwhile=[])


def waits(run: Mapping[str, Any], steps: Sequence[Step]) -> bool:
    """Whether a run that is neither new nor only just resumed has tasks to do and does none."""
    if run["status"] in FINAL or any(step.running for step in steps):
        return False
    is_done = all(step.total is not None and step.succeeded >= step.total for step in steps)
    since = run.get("started_at") or run.get("created_at")
    return not is_done and (seconds_between(since, None) or 0.0) > _YOUNG_S


def _asked(run_id: str) -> Lines:
    try:
        lines = current.get("runs", run_id, "doctor")["lines"]
    except (Problem, ApiUnreachable):
        return []
    return [line for line in lines if line["status"] == "found"]
