"""What one run of a state machine uses when all goes well, found by walking its definition; nothing is deployed.

The walk follows the path of success. A Choice of the run itself is decided by what is known of a good run (`facts`),
a Choice inside a Map by the kind of its item: a group goes where an array job is submitted, a single shard does not.

What is counted, and where AWS says so:
- A transition is a state that is entered. A distributed Map pays one more for each child execution that it starts, an
  inline Map none for its iterations. Source: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-transitions.html
- History events are those of the parent; the children of a distributed Map have histories of their own.
  Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

from __future__ import annotations

import json
import operator
from collections import Counter
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, Literal

ItemKind = Literal["single", "group"]

# Entered and exited; a Task is scheduled, started and succeeds between, and `.sync` is submitted too. Parallel and Map
# are started and succeed; a distributed Map has a Map Run in it that is started and succeeds.
EVENTS = {"Pass": 2, "Choice": 2, "Wait": 2, "Succeed": 2, "Task": 5, "Parallel": 4, "Map": 4}
SYNC_EVENTS = 1
MAP_RUN_EVENTS = 2
ITERATION_EVENTS = 2
EXECUTION_EVENTS = 2

# By the end of an operator's name, such as NumericGreaterThan; the longer ends come first.
COMPARISONS = {
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "Equals": operator.eq,
}

# An upper estimate for a value that is known at run time only; most are names, numbers and ARNs.
RUNTIME_VALUE = "v" * 256
# An item of a list that an inline Map finds in the state.
ITEM_BYTES = len('{"index":123456,"shard":"lines.txt_123456"},')


class UndecidedChoice(Exception):
    """A Choice depends on something that the model does not know."""


@dataclass(frozen=True)
class Fan:
    """How many shards a run has, and how they become items of a Map that can submit groups."""

    shards: int
    group_above: int
    group_size: int

    def items(self, processor: Mapping[str, Any]) -> tuple[ItemKind, int]:
        """The kind of a Map's items, and how many there are."""
        if self.shards > self.group_above and any(submits_array(state) for state in processor["States"].values()):
            return "group", ceil(self.shards / self.group_size)
        return "single", self.shards

    @property
    def facts(self) -> dict[str, Any]:
        """What a Choice may ask in a new run whose first try succeeds, by the last part of the path."""
        return {
            "shards_to_do": self.shards,
            "split_done": False,
            "merge_to_do": True,
            "OutputStatus": "SUCCEEDED",
            "permanent": False,
            "attempt": 1,
            "max_attempts": 3,
        }


@dataclass(frozen=True)
class Usage:
    """What an execution uses. `events` are its own; all else counts its children's too."""

    transitions: int = 0
    events: int = 0
    payload_bytes: int = 0
    child_executions: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    entered: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            transitions=self.transitions + other.transitions,
            events=self.events + other.events,
            payload_bytes=max(self.payload_bytes, other.payload_bytes),
            child_executions=self.child_executions + other.child_executions,
            calls=self.calls + other.calls,
            entered=self.entered + other.entered,
        )

    def times(self, count: int) -> Usage:
        """The same, so often, at once or in turn: the payload of each stays what it is."""
        return Usage(
            transitions=self.transitions * count,
            events=self.events * count,
            payload_bytes=self.payload_bytes,
            child_executions=self.child_executions * count,
            calls=Counter({name: number * count for name, number in self.calls.items()}),
            entered=Counter({name: number * count for name, number in self.entered.items()}),
        )


def run_usage(definition: Mapping[str, Any], fan: Fan, parameters: tuple[str, ...] = ()) -> Usage:
    """What a run of the definition uses; `parameters` are the names in its input. Raises UndecidedChoice."""
    usage, _ = _walk(definition, dict.fromkeys(parameters, RUNTIME_VALUE), fan, "single", in_map=False)
    in_state = sum(ITEM_BYTES * fan.shards for state in all_states(definition) if is_inline_map(state))
    return replace(usage, events=usage.events + EXECUTION_EVENTS, payload_bytes=usage.payload_bytes + in_state)


def with_inline_maps(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The same states with plain inline Maps: they take their items from the state, and do not ask about groups."""
    plain = deepcopy(dict(definition))
    for state in all_states(plain):
        if state["Type"] == "Map":
            state.pop("ItemReader", None)
            processor = state["ItemProcessor"]
            processor["ProcessorConfig"] = {"Mode": "INLINE"}
            name = processor["StartAt"]
            if any(_leads_to_array(processor, target) for target in _targets(processor["States"][name])):
                processor["StartAt"] = _item_target(name, processor["States"][name], processor, "single")
    return plain


def all_states(machine: Mapping[str, Any]) -> Iterator[Any]:
    """Every state, those inside Parallel and Map too."""
    for state in machine["States"].values():
        yield state
        for inner in (*state.get("Branches", ()), *([state["ItemProcessor"]] if state["Type"] == "Map" else ())):
            yield from all_states(inner)


def is_inline_map(state: Mapping[str, Any]) -> bool:
    if state["Type"] != "Map":
        return False
    mode: str = state["ItemProcessor"].get("ProcessorConfig", {}).get("Mode", "INLINE")
    return mode == "INLINE"


def submits_array(state: Mapping[str, Any]) -> bool:
    """True for a Task that submits an array job."""
    arguments = {**state.get("Parameters", {}), **state.get("Arguments", {})}
    return state["Type"] == "Task" and any(name.startswith("ArrayProperties") for name in arguments)


def api_call(resource: str) -> str:
    """The call of a Task or an ItemReader: `batch:submitJob` for `arn:aws:states:::batch:submitJob.sync`."""
    return resource.partition(":::")[2].removeprefix("aws-sdk:").partition(".")[0]


def _walk(machine: Mapping[str, Any], data: Any, fan: Fan, kind: ItemKind, *, in_map: bool) -> tuple[Usage, Any]:
    """What the states of one machine, branch or iteration use from StartAt to the end, and the output."""
    usage = Usage(payload_bytes=_size(data))
    name: str | None = machine["StartAt"]
    passed: set[str] = set()
    while name:
        if name in passed:
            raise UndecidedChoice(f"state {name}: found it a second time on the way of success, expected once")
        passed.add(name)
        state = machine["States"][name]
        inner, result = _enter(state, data, fan, kind)
        data = _placed(state, data, result)
        entered = Usage(1, _events(state), max(_size(result), _size(data)), entered=Counter([name]))
        usage = usage + entered + inner
        if state["Type"] == "Choice":
            name = _item_target(name, state, machine, kind) if in_map else _target(name, state, fan.facts)
        else:
            name = state.get("Next")
    return usage, data


def _enter(state: Mapping[str, Any], data: Any, fan: Fan, kind: ItemKind) -> tuple[Usage, Any]:
    """What goes on inside a state, and its result before ResultPath places it."""
    if state["Type"] == "Task":
        result = _rendered(state["ResultSelector"]) if "ResultSelector" in state else RUNTIME_VALUE
        return Usage(calls=Counter([api_call(state["Resource"])])), result
    if state["Type"] == "Parallel":
        walked = [_walk(branch, data, fan, kind, in_map=False) for branch in state["Branches"]]
        return sum((usage for usage, _ in walked), Usage()), [output for _, output in walked]
    if state["Type"] == "Map":
        return _enter_map(state, fan)
    template = state.get("Output", state.get("Result", state.get("Parameters")))
    return Usage(), data if template is None else _rendered(template)


def _enter_map(state: Mapping[str, Any], fan: Fan) -> tuple[Usage, Any]:
    processor = state["ItemProcessor"]
    kind, count = fan.items(processor)
    item = _rendered(state.get("ItemSelector", {"index": 0, "shard": RUNTIME_VALUE}))
    one, output = _walk(processor, item, fan, kind, in_map=True)
    results = [output] * count
    if is_inline_map(state):
        return replace(one, events=one.events + ITERATION_EVENTS).times(count), results
    # A child's payload and events are its own; starting it is a transition of the parent.
    children = replace(one, events=0, payload_bytes=0, transitions=one.transitions + 1, child_executions=1).times(count)
    read = Counter([api_call(state["ItemReader"]["Resource"])] if "ItemReader" in state else [])
    return children + Usage(events=MAP_RUN_EVENTS, calls=read), results


def _events(state: Mapping[str, Any]) -> int:
    if state["Type"] == "Fail":
        raise UndecidedChoice("the way of success: found that it ends in Fail, expected Succeed or End")
    return EVENTS[state["Type"]] + (SYNC_EVENTS if ".sync" in state.get("Resource", "") else 0)


def _placed(state: Mapping[str, Any], data: Any, result: Any) -> Any:
    """The state's output: ResultPath drops the result, puts it under a name, or takes it as it is."""
    path = state.get("ResultPath", "$")
    if path is None or state["Type"] in ("Choice", "Wait", "Succeed"):
        return data
    if path == "$":
        return result
    return {**data, path.removeprefix("$."): result}


def _rendered(template: Any) -> Any:
    """A template with RUNTIME_VALUE for whatever is known at run time or at deployment only."""
    if isinstance(template, dict):
        return {
            name.removesuffix(".$"): RUNTIME_VALUE if name.endswith(".$") else _rendered(value)
            for name, value in template.items()
        }
    if isinstance(template, list):
        return [_rendered(value) for value in template]
    return RUNTIME_VALUE if isinstance(template, str) and ("{%" in template or "${" in template) else template


def _size(data: Any) -> int:
    return len(json.dumps(data, separators=(",", ":")))


def _item_target(name: str, state: Mapping[str, Any], machine: Mapping[str, Any], kind: ItemKind) -> str:
    """Where an item goes: a group to the array job, a single shard to the plain one."""
    targets = _targets(state)
    for target in targets:
        if _leads_to_array(machine, target) == (kind == "group"):
            return target
    raise UndecidedChoice(f"Choice {name}: found no way for a {kind} item in {targets}, expected one")


def _targets(state: Mapping[str, Any]) -> list[str]:
    """Where a Choice may go; none for any other state."""
    return [*(rule["Next"] for rule in state.get("Choices", ())), *([state["Default"]] if "Default" in state else [])]


def _leads_to_array(machine: Mapping[str, Any], name: str | None) -> bool:
    """True when an array job is submitted before the next Choice or the end."""
    while name:
        state = machine["States"][name]
        if submits_array(state):
            return True
        name = state.get("Next")
    return False


def _target(name: str, state: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    for rule in state["Choices"]:
        if holds(name, rule, facts):
            return str(rule["Next"])
    if "Default" not in state:
        raise UndecidedChoice(f"Choice {name}: found no rule that holds and no Default, expected a way")
    return str(state["Default"])


def holds(name: str, rule: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether a rule of the Choice `name` holds; raises UndecidedChoice for a fact or operator it does not know."""
    if "And" in rule:
        return all(holds(name, part, facts) for part in rule["And"])
    if "Or" in rule:
        return any(holds(name, part, facts) for part in rule["Or"])
    if "Not" in rule:
        return not holds(name, rule["Not"], facts)
    if "Variable" not in rule:
        raise UndecidedChoice(f"Choice {name}: found {dict(rule)}, expected And, Or, Not or Variable")
    asked, expected = next((key, value) for key, value in rule.items() if key not in ("Variable", "Next", "Comment"))
    found = _fact(name, rule["Variable"], facts)
    if asked.endswith("Path"):
        asked, expected = asked.removesuffix("Path"), _fact(name, expected, facts)
    for suffix, compare in COMPARISONS.items():
        if asked.endswith(suffix):
            return bool(compare(found, expected))
    raise UndecidedChoice(f"Choice {name}: found operator {asked}, expected a comparison")


def _fact(name: str, path: str, facts: Mapping[str, Any]) -> Any:
    last = path.rpartition(".")[2]
    if last not in facts:
        raise UndecidedChoice(
            f"Choice {name}: found {path}, expected one of {', '.join(facts)}; "
            "add what it is in a good run to Fan.facts"
        )
    return facts[last]
