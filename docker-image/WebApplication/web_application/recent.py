"""Answers that take the platform many calls: asked for once in half a minute, however many people look."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

from flask import current_app

# Each open page asks every few seconds.
_GOOD_FOR_S = 30.0

Found = TypeVar("Found")
Key = tuple[str, str]


def recent(kind: str, run_id: str, ask: Callable[[], Found], *, meanwhile: Found) -> Found:
    """What `ask` gave for this run within the last half minute, in this process of the page.

    Whoever comes while somebody else is still waiting for it gets what was found before (at first `meanwhile`): an
    answer may take many seconds, and threads are few.
    """
    kept: dict[Key, tuple[float, Found]] = current_app.extensions.setdefault("recent", {})
    now = time.monotonic()
    key = (kind, run_id)
    # Of a copy: other threads add to it.
    for each, (at, _) in [*kept.items()]:
        if each != key and now - at > _GOOD_FOR_S:
            kept.pop(each, None)
    asked_at, last = kept.get(key, (-math.inf, meanwhile))
    if now - asked_at <= _GOOD_FOR_S:
        return last
    kept[key] = (now, last)
    found = ask()
    kept[key] = (time.monotonic(), found)
    return found
