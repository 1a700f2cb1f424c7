"""What the first state makes of an execution's input, evaluated as the emulator does."""

import json
from typing import Any

import jsonata
import pytest

from tests.synthesis import ROOT

STATES = json.loads((ROOT / "workflows/string_processing/definition.asl.json").read_text("utf-8"))["States"]
STARTED = "2026-01-31T09:30:00.123Z"
BEGINNING = "1970-01-01T00:00:00Z"
GIVEN = {"ProjectNo": "P1", "INPUT_BUCKET": "in", "INPUT_KEY": "uploads/a.txt", "SPLIT_NUM": 2}
MADE_BY_STATES = ["String_Split", "String_Repeat", "String_Reverse", "String_Repeat_Merge", "String_Reverse_Merge"]


def prepared(given: dict[str, Any]) -> dict[str, Any]:
    """The `run` of the state's output."""
    context = {"Execution": {"Id": "arn:execution", "Name": "by hand", "StartTime": STARTED}}
    return evaluated(STATES["Prepare"]["Output"], {"input": given, "context": context})["run"]


def evaluated(template: Any, states: dict[str, Any]) -> Any:
    if isinstance(template, dict):
        return {key: evaluated(part, states) for key, part in template.items()}
    if not isinstance(template, str) or not template.startswith("{%"):
        return template
    expression = jsonata.Jsonata.jsonata(template[2:-2].strip())
    bindings = expression.create_frame()
    bindings.bind("states", states)
    return expression.evaluate(None, bindings)


def test_an_execution_that_is_started_by_hand_counts_all_records() -> None:
    run = prepared(GIVEN)
    assert run["run_id"] == "by-hand"
    assert run["split_done"] is False
    assert run["made_since"] == dict.fromkeys(MADE_BY_STATES, BEGINNING)


@pytest.mark.parametrize("redo", [[], ["String_Repeat"], ["String_Repeat", "String_Repeat_Merge"], MADE_BY_STATES])
def test_what_is_redone_counts_from_the_start_of_the_execution(redo: list[str]) -> None:
    earlier = {"String_Repeat": "2026-01-30T00:00:00.000Z", "String_Reverse": "2026-01-29T00:00:00.000Z"}
    run = prepared({**GIVEN, "run_id": "R1", "split_done": True, "redo": redo, "made_since": earlier})
    assert run["split_done"] is True
    assert run["made_since"] == {
        state: STARTED if state in redo else earlier.get(state, BEGINNING) for state in MADE_BY_STATES
    }


def test_every_state_that_leaves_records_has_such_a_time() -> None:
    """A state without one would count what other code has made."""
    assert list(STATES["Prepare"]["Output"]["run"]["made_since"]) == MADE_BY_STATES
    for name in ("Job_Map", "Check_Output"):
        assert STATES[name]["Parameters"]["Payload"]["made_since.$"] == "$.run.made_since"
    text = json.dumps(STATES["Parallel_Process"])
    for branch in ("String_Repeat", "String_Reverse"):
        assert f'{{"Name": "MADE_SINCE", "Value.$": "$.run.made_since.{branch}"}}' in text


def test_a_done_split_is_skipped() -> None:
    choice = STATES["Is_Split_Done"]
    assert choice["Choices"] == [{"Variable": "$.run.split_done", "BooleanEquals": True, "Next": "Job_Map"}]
    assert choice["Default"] == "String_Split"
    assert STATES["Record_Start"]["Next"] == "Is_Split_Done"
