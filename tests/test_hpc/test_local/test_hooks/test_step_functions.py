"""Distributed Maps: order, concurrency, items from S3, tolerated failures."""

from __future__ import annotations

from tests.test_hpc.test_local.test_hooks.conftest import run

MAP = """
import json, sys, threading, time
from ministack.services import stepfunctions
from hpc.local.hooks.step_functions import run_distributed_map

most, now, lock = 0, 0, threading.Lock()
real = stepfunctions._run_sub_machine

def counted(*given):
    global most, now
    with lock:
        now += 1
        most = max(most, now)
    try:
        time.sleep(0.02)
        return real(*given)
    finally:
        with lock:
            now -= 1

stepfunctions._run_sub_machine = counted
texts = {"items.json": '[{"n": 1}, {"n": 2}, {"n": 3}]'}
stepfunctions._s3_object_text = lambda bucket, key: texts[key]
choices = [{"Variable": "$.n", "NumericLessThan": 0, "Next": "No"}]
states = {
    "Choose": {"Type": "Choice", "Choices": choices, "Default": "Yes"},
    "No": {"Type": "Fail", "Error": "Negative", "Cause": "it is"},
    "Yes": {"Type": "Pass", "End": True},
}

def run(items, **state):
    global most
    most = 0
    state = {"Type": "Map", "End": True, "ItemsPath": "$.items", **state}
    given = {"items": [{"n": n} for n in items]}
    execution = {"executionArn": "arn:execution", "stateMachineArn": "arn:machine"}
    try:
        processor = {"StartAt": "Choose", "States": states}
        output, _ = run_distributed_map(state, given, given, processor, execution, {"Execution": {"Id": "arn"}})
    except stepfunctions._ExecutionError as error:
        output = error.error
    print(json.dumps([output, most]))
"""
EXCEEDED = "States.ExceedToleratedFailureThreshold"


def test_a_distributed_map_gives_results_in_order_and_runs_no_more_children_than_allowed(tmp_path):
    [[output, most]] = run(tmp_path, MAP + "run(range(20), MaxConcurrency=3)")
    assert output == [{"n": number} for number in range(20)]
    assert 1 < most <= 3


def test_a_distributed_map_reads_its_items_from_s3_and_selects_from_them(tmp_path):
    reader = {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {"Bucket": "b", "Key": "items.json"}}
    selector = {"n.$": "$$.Map.Item.Value.n", "index.$": "$$.Map.Item.Index", "all.$": "$.items"}
    [[output, _]] = run(tmp_path, MAP + f"run([9], ItemReader={reader!r}, ItemSelector={selector!r})")
    assert output == [{"n": n, "index": n - 1, "all": [{"n": 9}]} for n in (1, 2, 3)]


def test_a_distributed_map_of_nothing_gives_nothing(tmp_path):
    assert run(tmp_path, MAP + "run([])") == [[[], 0]]


def test_a_distributed_map_tolerates_what_its_thresholds_say(tmp_path):
    # Given four children of which two fail, and whether each Map holds
    tolerated = [
        ({}, False),
        ({"ToleratedFailurePercentage": 100}, True),
        ({"ToleratedFailurePercentage": 50}, True),
        ({"ToleratedFailurePercentage": 49}, False),
        ({"ToleratedFailureCount": 2}, True),
        ({"ToleratedFailureCount": 1}, False),
        ({"ToleratedFailureCount": 2, "ToleratedFailurePercentage": 10}, False),
    ]
    calls = "".join(f"run([1, -1, -2, 2], **{thresholds!r})\n" for thresholds, _ in tolerated)
    ended = [output for output, _ in run(tmp_path, MAP + calls)]
    assert ended == [[{"n": 1}, None, None, {"n": 2}] if holds else EXCEEDED for _, holds in tolerated]
