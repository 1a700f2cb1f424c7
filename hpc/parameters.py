"""Turns what a person typed into a workflow's parameters, or says what is wrong with it."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import fastjsonschema

from hpc.errors import Refusal, WrongParameters
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


def fits(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether a JSON Schema allows a value; `$` in it is the very end of a text, as JSON Schema (ECMA 262) has it."""
    try:
        _compiled(json.dumps(schema, sort_keys=True))(value)
    except fastjsonschema.JsonSchemaValueException:
        return False
    return True


def validate(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a run: what was given, and the defaults of the rest.

    Raises WrongParameters for those that are missing, unknown or not allowed.
    """
    values = {name: value for name, value in given.items() if value is not None}
    refusals = list(_refusals(workflow, values))
    if refusals:
        raise WrongParameters(refusals)
    for parameter in workflow.parameters:
        if "default" in parameter.schema:
            values.setdefault(parameter.name, parameter.schema["default"])
        # 10.0 is a whole number in JSON Schema, and not one to a job that reads it.
        if parameter.type == "integer" and parameter.name in values:
            values[parameter.name] = int(values[parameter.name])
    return values


def check_given(workflow: Workflow, given: Mapping[str, Any]) -> None:
    """Judges some parameters, whatever the others will be; raises WrongParameters for those that are not allowed."""
    refusals = [refusal for refusal in _refusals(workflow, given) if refusal.field in given]
    if refusals:
        raise WrongParameters(refusals)


def _refusals(workflow: Workflow, values: Mapping[str, Any]) -> Iterator[Refusal]:
    known = {parameter.name for parameter in workflow.parameters}
    for name in sorted(values.keys() - known):
        found = f"found {quoted(values[name])}; expected one of the parameters {', '.join(sorted(known))}"
        yield Refusal(name, found)
    for parameter in workflow.parameters:
        if parameter.name not in values:
            if parameter.required:
                yield Refusal(parameter.name, f"found nothing; expected {parameter.expected}", parameter.label)
        elif not fits(parameter.schema, values[parameter.name]):
            found = f"found {quoted(values[parameter.name])}; expected {parameter.expected}"
            yield Refusal(parameter.name, found, parameter.label)


@functools.cache
def _compiled(schema: str) -> Callable[[Any], Any]:
    check: Callable[[Any], Any] = fastjsonschema.compile(json.loads(schema), use_default=False)
    return check
