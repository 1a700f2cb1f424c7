"""Estimates as people read them: whatever fields the API sends, each in the unit that its name ends with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask
from markupsafe import Markup, escape

from web_application.texts import gettext as _
from web_application.wording import duration, size

_INTERVAL, _LIST = Markup(" – "), Markup("; ")
_UNITS = ("_usd", "_s", "_mib")


def install(app: Flask) -> None:
    """Gives templates `label()` and the filter `amount`."""
    app.jinja_env.globals["label"] = label
    app.jinja_env.filters["amount"] = amount


def label(name: str) -> str:
    """A field in words: those that are known, else its own name without the unit."""
    words = {
        "cost_usd": _("Cost"),
        "duration_s": _("Duration"),
        "shards": _("Shards"),
        "jobs": _("Jobs"),
        "tasks": _("Tasks"),
        "bytes": _("Input"),
        "lines": _("Lines"),
        "basis": _("Based on"),
        "runs": _("Earlier runs"),
    }
    if name in words:
        return words[name]
    for unit in _UNITS:
        name = name.removesuffix(unit)
    return name.replace("_", " ").capitalize()


def amount(value: Any, name: str) -> Markup | str:
    """A value in its unit; `low` and `high`, or a pair, as an interval. What is unknown is never shown as nothing."""
    if value is None:
        return _("unknown")
    if isinstance(value, Mapping) and {"low", "high"} <= value.keys():
        value = [value["low"], value["high"]]
    if isinstance(value, Mapping):
        return _LIST.join(Markup("{}: {}").format(label(each), amount(value[each], each)) for each in value)
    if isinstance(value, list):
        parts = dict.fromkeys(amount(each, name) for each in value)
        between = _INTERVAL if len(value) == 2 else _LIST
        return between.join(parts)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return escape(value)
    return _in_unit(name)(value)


def _in_unit(name: str) -> Callable[[int | float], str]:
    if name.endswith("_usd"):
        return _dollars
    if name.endswith("_s"):
        return duration
    return size if name.endswith("bytes") else _plain


def _dollars(value: float) -> str:
    return f"${value:,.2f}" if value >= 0.1 or value == 0 else f"${value:.4f}"


def _plain(value: int | float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
