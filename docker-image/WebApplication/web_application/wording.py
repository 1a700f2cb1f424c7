"""How numbers, times and states are written; the same in both languages but for the words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from markupsafe import Markup

from web_application.texts import gettext as _

FINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
RUN_STATUSES = ("PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED")
TASK_STATUSES = ("PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")
# How a state looks; everything that is not named waits.
_TONES = {
    "RUNNING": "running",
    "STARTING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "ENABLED": "succeeded",
    "DISABLED": "cancelled",
    "DELETED": "failed",
    "INVALID": "failed",
}
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def install(app: Flask) -> None:
    """Gives templates these as filters and globals."""
    app.jinja_env.filters.update(
        moment=moment,
        clock=clock,
        duration=duration,
        took=took,
        size=size,
        number=number,
        status=status,
        tone=tone,
        owner_name=owner_name,
    )
    app.jinja_env.globals.update(
        FINAL=FINAL, RUN_STATUSES=RUN_STATUSES, TASK_STATUSES=TASK_STATUSES, now=lambda: datetime.now(UTC)
    )


def status(name: str) -> str:
    """A state of a run, a task, a queue or an environment in words; AWS's own name when it has none here."""
    words = {
        "PENDING": _("Waiting"),
        "RUNNABLE": _("Waiting for a machine"),
        "STARTING": _("Starting"),
        "RUNNING": _("Running"),
        "SUCCEEDED": _("Succeeded"),
        "FAILED": _("Failed"),
        "CANCELLED": _("Cancelled"),
        "ENABLED": _("Enabled"),
        "DISABLED": _("Disabled"),
        "DELETED": _("Deleted"),
        "INVALID": _("Does not work"),
    }
    return words.get(name, name)


def tone(name: str) -> str:
    """The class that colours a state."""
    return _TONES.get(name, "waiting")


def parse(text: Any) -> datetime | None:
    """A time of the API (ISO 8601), or None."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def moment(text: Any) -> Markup:
    """A time of the API (or of ours) as `<time>`, in UTC; a dash for none."""
    found = parse(text)
    if found is None:
        return Markup('<span class="none">–</span>')
    utc = found.astimezone(UTC)
    return Markup('<time datetime="{}">{} <small>UTC</small></time>').format(
        utc.isoformat(timespec="seconds"), utc.strftime("%Y-%m-%d %H:%M:%S")
    )


def clock(text: Any) -> str:
    """The time of day of a time of the API, in UTC."""
    found = parse(text)
    return found.astimezone(UTC).strftime("%H:%M:%S") if found else ""


def seconds_between(start: Any, stop: Any) -> float | None:
    """From one time of the API to another, or to now; None when the first is not known."""
    first, last = parse(start), parse(stop) or datetime.now(UTC)
    return max(0.0, (last - first).total_seconds()) if first else None


def duration(seconds: float | None) -> str:
    """`3 min 12 s`, in its two largest units."""
    if seconds is None:
        return "–"
    total = round(seconds)
    parts = ((total // 86400, _("d")), (total // 3600 % 24, _("h")), (total // 60 % 60, _("min")), (total % 60, _("s")))
    first = next((at for at, (count, _unit) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2])


def took(run: Mapping[str, Any]) -> str:
    """How long a run went on, or has been going on; a dash for one that waits."""
    return duration(seconds_between(run.get("started_at"), run.get("stopped_at")))


def owner_name(owner: Any) -> str:
    """An owner as people read it: of an ARN only its last part."""
    text = str(owner or "")
    if text == "shared":
        return _("shared")
    return text.rpartition("/")[2] if text.startswith("arn:") else text


def size(count: Any) -> str:
    """Bytes in decimal units with three digits."""
    value, unit = float(count or 0), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {_UNITS[unit]}" if unit == 0 or value >= 99.95 else f"{value:.1f} {_UNITS[unit]}"


def number(value: Any) -> str:
    """A whole number in groups of three digits; a dash for none."""
    return f"{value:,}" if isinstance(value, int) else "–"
