"""A workflow's form, made from the JSON Schema of its parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# A number of more digits is sent as the text that it is, and the API says what is wrong with it.
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][-+]?[0-9]{1,3})?")


@dataclass(frozen=True)
class Field:
    """One parameter as the form shows it; `kind` is text, number, choice or flag; `error` is empty when all is well."""

    name: str
    kind: str
    title: str
    description: str
    allowed: str
    unit: str
    example: str
    choices: tuple[str, ...]
    required: bool
    value: str
    error: str

    @property
    def describing(self) -> str:
        """Ids of the elements that explain the field to a screen reader."""
        parts = [f"{self.name}-help", *([f"{self.name}-error"] if self.error else [])]
        return " ".join(parts)


def fields(schema: Mapping[str, Any], values: Mapping[str, str], errors: Mapping[str, str]) -> dict[str, Field]:
    """Every parameter by its name, with what was typed (else its default) and what is wrong with it."""
    required = set(schema.get("required", ()))
    return {
        name: _field(name, rule, name in required, values.get(name), errors.get(name, ""))
        for name, rule in schema.get("properties", {}).items()
    }


def typed(schema: Mapping[str, Any], form: Mapping[str, str]) -> dict[str, Any]:
    """The parameters as JSON values. What was left empty is left out; what does not fit its type stays a text."""
    given = {}
    for name, rule in schema.get("properties", {}).items():
        text = form.get(name, "")
        if rule.get("type") == "boolean":
            given[name] = text == "true"
        elif text != "":
            given[name] = _value(text, rule.get("type"))
    return given


def as_typed(schema: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, str]:
    """JSON values as a person would type them."""
    known = schema.get("properties", {})
    return {name: _text(value) for name, value in parameters.items() if name in known and value is not None}


def _field(name: str, rule: Mapping[str, Any], required: bool, value: str | None, error: str) -> Field:
    choices = tuple(_text(choice) for choice in rule.get("enum", ()))
    kinds = {"integer": "number", "number": "number", "boolean": "flag"}
    examples = rule.get("examples") or [""]
    return Field(
        name=name,
        kind="choice" if choices else kinds.get(str(rule.get("type")), "text"),
        title=str(rule.get("title") or name),
        description=str(rule.get("description", "")),
        allowed=str(rule.get("allowed", "")),
        unit=str(rule.get("unit", "")),
        example=_text(examples[0]),
        choices=choices,
        required=required,
        value=_text(rule.get("default", "")) if value is None else value,
        error=error,
    )


def _value(text: str, type_name: Any) -> Any:
    if type_name == "integer" and _WHOLE_NUMBER.fullmatch(text.strip()):
        return int(text)
    if type_name == "number" and _DECIMAL.fullmatch(text.strip()):
        return float(text)
    return text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
