"""Estimates and costs as people read them: whatever fields the API sends, each in the unit that its name ends with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask
from markupsafe import Markup, escape

from web_application.texts import gettext as _
from web_application.wording import duration, size

_INTERVAL, _LIST = Markup(" – "), Markup("; ")
_SMALLEST = 0.0001
_UNITS = ("_usd", "_s", "_mib")


def install(app: Flask) -> None:
    """Gives templates `label()`, `parts_of_cost()`, `estimate_error()` and the filter `amount`."""
    app.jinja_env.globals.update(label=label, parts_of_cost=parts, estimate_error=error)
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
        "on_demand_usd": _("Instances on demand"),
        "spot_usd": _("Spot instances"),
        "disks_usd": _("Disks of the instances"),
        "functions_usd": "Lambda",
        "step_functions_usd": "Step Functions",
        "requests_usd": _("S3 requests"),
        "table_usd": "DynamoDB, SNS",
        "failed_attempts_usd": _("Attempts that failed, of it"),
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
        words = {"earlier runs": _("earlier runs"), "job definitions": _("what its jobs may use at most")}
        return words.get(str(value), escape(value))
    return _in_unit(name)(value)


def parts(cost: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a cost that there are, known or not."""
    found = {name: value for name, value in cost.items() if name.endswith("_usd") and name != "cost_usd"}
    return {name: value for name, value in found.items() if value is None or value["high"] > 0}


def error(value: float) -> str:
    """By how much a cost is beyond its estimate."""
    if not value:
        return _("within it")
    words = _("%(share)s above it") if value > 0 else _("%(share)s below it")
    return words % {"share": f"{abs(value):.0%}"}


def _in_unit(name: str) -> Callable[[int | float], str]:
    if name.endswith("_usd"):
        return _dollars
    if name.endswith("_s"):
        return duration
    return size if name.endswith("bytes") else _plain


def _dollars(value: float) -> str:
    if 0 < value < _SMALLEST:
        return f"< ${_SMALLEST}"
    return f"${value:,.2f}" if value >= 0.1 or value == 0 else f"${value:.4f}"


def _plain(value: int | float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
