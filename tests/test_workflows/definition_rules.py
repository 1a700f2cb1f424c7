"""Rules for definitions in workflows/: the platform's manners, and only what AWS and the emulator both do."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# The emulator ignores these silently or refuses them.
NOT_ON_THE_LAPTOP = ("ResultWriter", "ItemBatcher", "MaxConcurrencyPath", "Assign")
# A failed job belongs to the outer loop, so the Task retries only what SubmitJob itself throws.
SUBMIT_ERRORS = {"Batch.AWSBatchException", "Batch.ServerException"}


@dataclass(frozen=True)
class Machine:
    """States with a beginning: the whole definition, a branch of a Parallel, or the processor of a Map."""

    place: str
    body: dict[str, Any]
    distributed: bool  # inside of a distributed Map


def problems(definition: dict[str, Any]) -> list[str]:
    """Everything that a definition does against the rules, each in one line that begins with the place."""
    found = list(_whole(definition))
    for machine in _machines(Machine("", definition, distributed=False)):
        found += [f"{machine.place or 'definition'}: {text}" for text in _flow(machine)]
        for name, state in machine.body["States"].items():
            found += [f"{name}: {text}" for text in _state(state, machine)]
    return found


def _machines(machine: Machine) -> Iterator[Machine]:
    yield machine
    for name, state in machine.body["States"].items():
        for branch in state.get("Branches", []):
            yield from _machines(Machine(name, branch, machine.distributed))
        if "ItemProcessor" in state:
            yield from _machines(Machine(name, state["ItemProcessor"], machine.distributed or _is_distributed(state)))


def _is_distributed(state: dict[str, Any]) -> bool:
    return state["ItemProcessor"].get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED"


def _whole(definition: dict[str, Any]) -> Iterator[str]:
    if "TimeoutSeconds" not in definition:
        yield "definition: no TimeoutSeconds"
    kinds = {state["Type"] for state in definition["States"].values()}
    if not {"Succeed", "Fail"} <= kinds:
        yield "definition: does not end in Succeed and Fail"
    if any("End" in state for state in definition["States"].values()):
        yield "definition: ends in a state that is neither Succeed nor Fail"


def _flow(machine: Machine) -> Iterator[str]:
    states, start = machine.body["States"], machine.body["StartAt"]
    reached, waiting = set[str](), [start]
    while waiting:
        name = waiting.pop()
        if name not in states:
            yield f"goes to {name}, which is not there"
        elif name not in reached:
            reached.add(name)
            waiting += _targets(states[name])
    for name in sorted(states.keys() - reached):
        yield f"{name} is never reached"


def _targets(state: dict[str, Any]) -> list[str]:
    ways = [state, *state.get("Catch", []), *state.get("Choices", [])]
    return [way[key] for way in ways for key in ("Next", "Default") if key in way]


def _state(state: dict[str, Any], machine: Machine) -> Iterator[str]:
    if "Comment" not in state:
        yield "no Comment"
    if state["Type"] in ("Task", "Map", "Parallel"):
        yield from _errors(state)
    if state["Type"] == "Task":
        yield from _task(state)
    if state["Type"] == "Choice" and "Default" not in state:
        yield "no Default"
    if state["Type"] == "Map" and _is_distributed(state):
        yield from _distributed_map(state)
    yield from _both_places(state, machine)


def _errors(state: dict[str, Any]) -> Iterator[str]:
    catches = state.get("Catch", [])
    if not catches or catches[-1]["ErrorEquals"] != ["States.ALL"]:
        yield "does not catch States.ALL at the end"


def _task(state: dict[str, Any]) -> Iterator[str]:
    if "TimeoutSeconds" not in state:
        yield "no TimeoutSeconds"
    if not state.get("Retry"):
        yield "no Retry"
    if not state["Resource"].startswith("arn:${Partition}:states:::"):
        yield f"Resource {state['Resource']} does not begin with arn:${{Partition}}:states:::"
    if "batch:submitJob" in state["Resource"]:
        retried = {error for retry in state.get("Retry", []) for error in retry["ErrorEquals"]}
        if not retried <= SUBMIT_ERRORS:
            yield f"retries {', '.join(sorted(retried - SUBMIT_ERRORS))}, which the outer loop owns"


def _distributed_map(state: dict[str, Any]) -> Iterator[str]:
    processor = state["ItemProcessor"]
    if state.get("ResultPath", "$") is not None:
        yield "keeps its children's results (no ResultPath null), which may break the limit of 256 KiB"
    if processor["ProcessorConfig"].get("ExecutionType") != "STANDARD":
        yield "its children are not STANDARD, which .sync needs"
    if state.get("ToleratedFailurePercentage") != 100:
        yield "a failed child would stop its siblings (no ToleratedFailurePercentage 100)"
    for name, child in processor["States"].items():
        if child.get("End") and (child["Type"], child.get("Result")) != ("Pass", {}):
            yield f"child {name} does not end with {{}}"


def _both_places(state: dict[str, Any], machine: Machine) -> Iterator[str]:
    own = {key: value for key, value in state.items() if key not in ("Branches", "ItemProcessor")}
    text = json.dumps(own)
    for word in NOT_ON_THE_LAPTOP:
        if word in own:
            yield f"uses {word}, which the emulator does not do"
    jsonata = own.get("QueryLanguage", machine.body.get("QueryLanguage")) == "JSONata"
    if jsonata and (machine.distributed or state["Type"] == "Map"):
        yield "uses JSONata in a distributed Map, which the emulator evaluates wrongly"
    if not jsonata and re.search(r'\$": "(?:[^"]*[(, ])?\$[A-Za-z]', text):
        yield "uses a variable, which the emulator does not do"
    if machine.distributed and re.search(r"\$\$\.Execution|context\.Execution", text):
        yield "reads the execution's context in a child, which is the child's on AWS and the parent's in the emulator"
