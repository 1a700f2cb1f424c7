"""Says in one line what is wrong with a workflow folder: place, what was found, what is expected. Imports no CDK."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, cast

from jsonschema import ValidationError


class WorkflowFolderError(Exception):
    """A workflow folder cannot be used. The text is one line: file and place, what was found, what is expected."""


def pascal_case(name: str) -> str:
    """The name as placeholders and construct ids have it: `string_split` becomes `StringSplit`."""
    return "".join(part.capitalize() for part in name.split("_"))


def explain(error: ValidationError) -> str:
    """A schema violation for people; each part of the schema carries what is expected as its description."""
    place = ".".join(str(part) for part in error.absolute_path) or "the file"
    schema, instance = cast(dict[str, Any], error.schema), cast(Any, error.instance)
    if error.validator == "required":
        missing = next(key for key in schema["required"] if key not in instance)
        return f"{place}: found no {missing!r}; expected it"
    if error.validator == "additionalProperties" and isinstance(instance, dict):
        known = sorted(schema.get("properties", {}))
        unknown = next(key for key in instance if key not in known)
        near = get_close_matches(str(unknown), known, n=1)
        return f"{place}: found {unknown!r}{f' (did you mean {near[0]}?)' if near else ''}; expected {', '.join(known)}"
    found = " ".join(repr(instance).split())[:80]
    return f"{place}: found {found}; expected {schema.get('description', error.message)}"


def contradictions(raw: dict[str, Any], definition: dict[str, Any], folder: str) -> Iterator[str]:
    """What the schema cannot see: parts of a workflow that do not fit each other."""
    if raw["name"] != folder:
        yield f"name: found {raw['name']!r}; expected the folder's name {folder!r}"
    yield from _unknown_states(raw, _states(definition))
    yield from _later_steps(raw)
    yield from _unknown_parameters(raw)
    text = str(definition)
    for kind, suffix in (("jobs", "JobDefinitionArn"), ("functions", "FunctionArn")):
        for name, part in raw.get(kind, {}).items():
            placeholder = "${" + pascal_case(name) + suffix + "}"
            if placeholder not in text:
                yield f"{kind}.{name}: found no {placeholder} in the definition; expected a state that uses it"
            if "intermediate_tag" not in raw["storage"] and any(write.get("tagged") for write in part["writes"]):
                yield f"{kind}.{name}: found tagged writes; expected storage.intermediate_tag to say with which tag"


def _unknown_states(raw: dict[str, Any], states: set[str]) -> Iterator[str]:
    parts = [*raw["jobs"].items(), *raw.get("functions", {}).items()]
    named = [(name, state) for name, part in parts for state in part["states"]]
    for place, state in [*named, *(("steps", state) for state in _step_states(raw))]:
        if state not in states:
            yield f"{place}: found state {state!r}; expected one of the definition: {', '.join(sorted(states))}"


def _step_states(raw: dict[str, Any]) -> Iterator[str]:
    for step in raw["steps"]:
        yield from (step[key] for key in ("state", "group_state") if key in step)


def _later_steps(raw: dict[str, Any]) -> Iterator[str]:
    earlier: list[str] = []
    for step in raw["steps"]:
        for state in step.get("after", []):
            if state not in earlier:
                expected = ", ".join(earlier) or "(none)"
                yield f"steps: found {step['state']} after {state!r}; expected one of the steps before it: {expected}"
        earlier.append(step["state"])


def _unknown_parameters(raw: dict[str, Any]) -> Iterator[str]:
    known = raw["parameters"]["properties"]
    used = {"parameters.required": raw["parameters"]["required"]}
    for place in ("upload", "sharding"):
        used[place] = [name for key, name in raw.get(place, {}).items() if key.endswith("_parameter")]
    used["output_bucket_parameter"] = [raw[key] for key in ("output_bucket_parameter",) if key in raw]
    for place, names in used.items():
        for name in names:
            if name not in known:
                yield f"{place}: found parameter {name!r}; expected one of {', '.join(known)}"


def _states(definition: Any) -> set[str]:
    """Names of all states, those inside of Parallel and Map too."""
    found: set[str] = set()
    if isinstance(definition, dict):
        states = definition.get("States")
        found = set(states) if isinstance(states, dict) else set()
    parts = definition.values() if isinstance(definition, dict) else definition if isinstance(definition, list) else ()
    return found.union(*(_states(part) for part in parts))
