"""Turns what a person typed into a workflow's parameters, or says what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema

from hpc.errors import WrongInput
from hpc.wording import quoted
from hpc.workflows import Parameter, Workflow

# Python refuses to convert longer numbers, and no parameter needs them.
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,30}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?")


def convert(parameter: Parameter, text: str) -> Any:
    """`text` in the parameter's type; left as text where it is none of that type, for `validate` to refuse."""
    if parameter.type == "integer" and _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    if parameter.type == "number" and _NUMBER.fullmatch(text):
        return float(text)
    if parameter.type == "boolean" and text in {"true", "false"}:
        return text == "true"
    return text


def validate(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a run: what was given, and the defaults of the rest.

    Raises WrongInput with one line for each parameter that is missing, unknown or not allowed.
    """
    values = {name: value for name, value in given.items() if value is not None}
    problems = list(_problems(workflow, values))
    if problems:
        raise WrongInput("\n".join(problems))
    for parameter in workflow.parameters:
        if "default" in parameter.schema:
            values.setdefault(parameter.name, parameter.schema["default"])
    return values


def _problems(workflow: Workflow, values: Mapping[str, Any]) -> Iterator[str]:
    known = {parameter.name for parameter in workflow.parameters}
    for name in values.keys() - known:
        yield f"{name}: found {quoted(values[name])}; expected one of the parameters {', '.join(sorted(known))}"
    for parameter in workflow.parameters:
        if parameter.name not in values:
            if parameter.required:
                yield f"{parameter.label}: found nothing; expected {parameter.expected}"
        elif not _Validator(parameter.schema).is_valid(values[parameter.name]):
            yield f"{parameter.label}: found {quoted(values[parameter.name])}; expected {parameter.expected}"


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[jsonschema.ValidationError]:
    """JSON Schema's `$` is the very end (ECMA 262); Python's would let a newline pass behind it."""
    strict = re.sub(r"(?<!\\)\$$", r"\\Z", pattern)
    if isinstance(instance, str) and not re.search(strict, instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


_Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
