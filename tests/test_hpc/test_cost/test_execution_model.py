"""The walk over small definitions whose figures can be counted by hand, and over the workflows that are there."""

import json
from pathlib import Path

import pytest

from benchmarks.estimate import INLINE, OURS, WorkflowFolder, estimate, most_shards
from hpc.cost.execution_model import (
    ITEM_BYTES,
    Fan,
    UndecidedChoice,
    api_call,
    holds,
    run_usage,
    with_inline_maps,
)

WORKFLOWS = sorted(path.parent for path in (Path(__file__).parents[3] / "workflows").glob("*/definition.asl.json"))
STRING_PROCESSING = next(path for path in WORKFLOWS if path.name == "string_processing")
SYNC = "arn:${Partition}:states:::batch:submitJob.sync"
FEW = Fan(shards=5, group_above=10, group_size=4)
MANY = Fan(shards=21, group_above=10, group_size=4)


def job(**more):
    return {"Type": "Task", "Resource": SYNC, "ResultPath": None, "Parameters": {}, **more}


def machine(*states, start=None):
    """A machine of (name, state) pairs, each of which goes to the next one unless it says otherwise."""
    named = {}
    for (name, state), after in zip(states, [*(name for name, _ in states[1:]), None], strict=True):
        goes_on = {"End": True} if after is None else {"Next": after}
        own = state["Type"] in ("Choice", "Succeed") or "Next" in state or "End" in state
        named[name] = {**state, **({} if own else goes_on)}
    return {"StartAt": start or states[0][0], "States": named}


def mapped(processor, mode="DISTRIBUTED"):
    reader = {"ItemReader": {"Resource": "arn:aws:states:::s3:getObject"}} if mode == "DISTRIBUTED" else {}
    return {
        "Type": "Map",
        "ResultPath": None,
        "ItemProcessor": {**processor, "ProcessorConfig": {"Mode": mode}},
        **reader,
    }


EMPTY = {"Type": "Pass", "Result": {}}
ONE_JOB_EACH = machine(("Job", job()), ("Ended", EMPTY))
GROUPING = machine(
    (
        "Is_Group",
        {
            "Type": "Choice",
            "Choices": [{"Variable": "$.size", "NumericGreaterThan": 1, "Next": "Group"}],
            "Default": "Job",
        },
    ),
    ("Job", job(Next="Ended")),
    ("Group", job(Parameters={"ArrayProperties": {"Size.$": "$.size"}}, Next="Ended")),
    ("Ended", EMPTY),
)


def test_a_state_is_a_transition_and_each_type_has_its_events():
    usage = run_usage(
        machine(
            ("Pass", {"Type": "Pass"}),
            ("Call", {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "ResultPath": None}),
            ("Job", job()),
            ("Done", {"Type": "Succeed"}),
        ),
        FEW,
    )
    assert usage.transitions == 4
    assert usage.events == 2 + (2 + 5 + 6 + 2)
    assert usage.calls == {"sns:publish": 1, "batch:submitJob": 1}


def test_a_parallel_state_counts_all_its_branches():
    both = {"Type": "Parallel", "Branches": [machine(("A", job())), machine(("B", job()))]}
    usage = run_usage(machine(("Both", both)), FEW)
    assert (usage.transitions, usage.events) == (3, 2 + 4 + 2 * 6)
    assert usage.calls["batch:submitJob"] == 2


def test_children_of_a_distributed_map_cost_a_transition_more_and_no_event_of_the_parent():
    usage = run_usage(machine(("Map", mapped(ONE_JOB_EACH))), FEW)
    assert usage.transitions == 1 + 5 * (1 + 2)
    assert usage.events == 2 + 6
    assert usage.child_executions == 5
    assert usage.calls == {"batch:submitJob": 5, "s3:getObject": 1}


def test_iterations_of_an_inline_map_are_events_of_the_parent():
    usage = run_usage(machine(("Map", mapped(ONE_JOB_EACH, mode="INLINE"))), FEW)
    assert usage.transitions == 1 + 5 * 2
    assert usage.events == 2 + 4 + 5 * (2 + 6 + 2)
    assert usage.child_executions == 0


def test_the_inline_form_of_a_distributed_map_is_that_of_a_plain_one():
    plain = machine(("Map", mapped(ONE_JOB_EACH, mode="INLINE")))
    distributed = machine(("Map", mapped(ONE_JOB_EACH)))
    assert with_inline_maps(distributed) == plain
    assert distributed == machine(("Map", mapped(ONE_JOB_EACH)))


def test_the_inline_form_does_not_ask_about_groups():
    usage = run_usage(with_inline_maps(machine(("Map", mapped(GROUPING)))), Fan(5, group_above=5, group_size=4))
    assert usage.entered == {"Map": 1, "Job": 5, "Ended": 5}


@pytest.mark.parametrize(
    ("fan", "job_state", "items"), [(FEW, "Job", 5), (MANY, "Group", 6)], ids=["one by one", "in groups"]
)
def test_many_shards_are_submitted_in_groups_where_the_definition_can(fan, job_state, items):
    usage = run_usage(machine(("Map", mapped(GROUPING))), fan)
    assert usage.calls["batch:submitJob"] == usage.child_executions == usage.entered[job_state] == items
    assert usage.transitions == 1 + items * (1 + 3)


def test_a_map_that_cannot_submit_arrays_has_an_item_for_each_shard():
    assert run_usage(machine(("Map", mapped(ONE_JOB_EACH))), MANY).child_executions == 21


def test_the_results_of_children_count_as_payload_until_they_are_dropped():
    few, many = (run_usage(machine(("Map", mapped(ONE_JOB_EACH))), Fan(n, n, 1)) for n in (1_000, 100_000))
    assert few.payload_bytes == len("[" + "{}," * 999 + "{}]")
    assert many.payload_bytes > 256 * 1024


def test_an_inline_map_carries_its_items_in_the_state():
    usage = run_usage(machine(("Map", mapped(ONE_JOB_EACH, mode="INLINE"))), Fan(1_000, 1_000, 1))
    assert usage.payload_bytes >= 1_000 * ITEM_BYTES


def test_what_a_task_answers_stays_in_the_state_where_its_result_path_puts_it():
    kept = machine(("Call", {**job(), "ResultSelector": {"a.$": "$.b"}, "ResultPath": "$.kept"}), ("Next", EMPTY))
    dropped = machine(("Call", job()), ("Next", EMPTY))
    assert run_usage(kept, FEW, ("P",)).payload_bytes > run_usage(dropped, FEW, ("P",)).payload_bytes


def test_a_choice_of_the_run_goes_the_way_of_success():
    check = {
        "Type": "Choice",
        "Choices": [
            {
                "And": [
                    {"Variable": "$.check.OutputStatus", "StringEquals": "FAILED"},
                    {"Variable": "$.map.attempt", "NumericLessThanPath": "$.run.max_attempts"},
                ],
                "Next": "Again",
            }
        ],
        "Default": "Done",
    }
    usage = run_usage(machine(("Check", check), ("Again", {"Type": "Pass"}), ("Done", {"Type": "Succeed"})), FEW)
    assert set(usage.entered) == {"Check", "Done"}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"Variable": "$.shards_to_do", "NumericGreaterThan": 0}, True),
        ({"Variable": "$.shards_to_do", "NumericGreaterThanEquals": 6}, False),
        ({"Variable": "$.shards_to_do", "NumericLessThan": 5}, False),
        ({"Variable": "$.shards_to_do", "NumericLessThanEquals": 5}, True),
        ({"Not": {"Variable": "$.merge_to_do", "BooleanEquals": True}}, False),
        (
            {"Or": [{"Variable": "$.permanent", "BooleanEquals": True}, {"Variable": "$.attempt", "NumericEquals": 1}]},
            True,
        ),
        ({"Variable": "$.attempt", "NumericLessThanPath": "$.max_attempts"}, True),
    ],
)
def test_rules_compare_as_the_states_language_does(rule, expected):
    assert holds("Choice", rule, FEW.facts) is expected


@pytest.mark.parametrize(
    "rule",
    [
        {"Variable": "$.unheard_of", "NumericEquals": 1},
        {"Variable": "$.attempt", "IsPresent": True},
        {"Condition": "{% $x %}"},
    ],
)
def test_what_the_model_does_not_know_is_an_error_that_names_the_choice(rule):
    with pytest.raises(UndecidedChoice, match=r"Choice Which: found "):
        holds("Which", rule, FEW.facts)


def test_a_way_of_success_that_fails_or_turns_in_a_circle_is_an_error():
    with pytest.raises(UndecidedChoice, match="ends in Fail"):
        run_usage(machine(("No", {"Type": "Fail", "End": True})), FEW)
    with pytest.raises(UndecidedChoice, match="second time"):
        run_usage(machine(("A", {"Type": "Pass", "Next": "A"})), FEW)


@pytest.mark.parametrize(
    ("resource", "call"),
    [
        (SYNC, "batch:submitJob"),
        ("arn:aws:states:::lambda:invoke", "lambda:invoke"),
        ("arn:aws:states:::aws-sdk:s3:putObject", "s3:putObject"),
    ],
)
def test_the_call_is_read_from_the_resource(resource, call):
    assert api_call(resource) == call


@pytest.mark.parametrize("folder", WORKFLOWS, ids=lambda path: path.name)
def test_every_workflow_can_be_walked_and_its_parent_does_not_grow_with_its_shards(folder):
    definition = json.loads((folder / "definition.asl.json").read_text())
    events = {run_usage(definition, Fan(shards, 10**9, 10_000)).events for shards in (10, 10_000)}
    assert len(events) == 1
    assert events.pop() < 1_000


def test_as_many_shards_as_a_workflow_takes_break_no_limit_of_step_functions():
    workflow = WorkflowFolder.read(STRING_PROCESSING)
    most = estimate(workflow, Fan(workflow.max_shards, 1_000, 10_000))
    assert not {"25,000 events", "256 KiB"} & set(most.broken)


def test_a_plain_inline_map_breaks_where_the_next_shard_would():
    workflow = WorkflowFolder.read(STRING_PROCESSING)
    fan = Fan(10, 1_000, 10_000)
    most = most_shards(workflow, fan, way=INLINE, limit="25,000 events")
    assert most is not None
    broken = {n: estimate(workflow, Fan(n, 1_000, 10_000), way=INLINE).broken for n in (most, most + 1)}
    assert "25,000 events" not in broken[most]
    assert "25,000 events" in broken[most + 1]
    assert most_shards(workflow, fan, way=OURS, limit="25,000 events", at_most=5_000) is None
