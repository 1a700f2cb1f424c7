"""What is put together from a definition, a workflow.yaml and prices, on a workflow that can be counted by hand."""

import pytest

from benchmarks import estimate as model
from benchmarks.economics import requests_unknown
from benchmarks.estimate import INLINE, WorkflowFolder, estimate, function_seconds
from benchmarks.s3_requests import GIB, MIB, Work
from hpc.cost.execution_model import Fan, Usage, run_usage

JOB = {"Type": "Task", "Resource": "arn:aws:states:::batch:submitJob.sync", "ResultPath": None, "End": True}
CALL = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "ResultPath": None, "Next": "Map"}
MAP = {
    "Type": "Map",
    "ItemReader": {"Resource": "arn:aws:states:::s3:getObject"},
    "ItemProcessor": {
        "StartAt": "String_Repeat",
        "ProcessorConfig": {"Mode": "DISTRIBUTED"},
        "States": {"String_Repeat": JOB},
    },
    "ResultPath": None,
    "End": True,
}
FOLDER = WorkflowFolder(
    definition={"StartAt": "Job_Map", "States": {"Job_Map": CALL, "Map": MAP}},
    description={
        "parameters": {"properties": {"A": {}, "B": {}}},
        "sharding": {"max_shards": 100},
        "jobs": {"repeat": {"states": ["String_Repeat"]}, "other": {"states": ["Unheard_Of"]}},
        "functions": {"job_map": {"states": ["Job_Map"], "memory_mib": 512, "timeout_s": 60}},
    },
)


def fan(shards):
    return Fan(shards, group_above=1_000, group_size=10_000)


def test_an_estimate_is_the_walk_the_requests_and_their_bill():
    ours = estimate(FOLDER, fan(100))
    assert ours.usage == run_usage(FOLDER.definition, fan(100), ("A", "B"))
    assert ours.submissions == 100
    assert ours.dollars.step_functions == pytest.approx((2 + 100 * 2) * 0.025 / 1_000)
    assert (ours.requests.puts, ours.requests.gets) == (2 + 2 * 100, 1 + 100)
    assert ours.broken == ()


def test_more_shards_than_a_workflow_takes_are_refused_in_its_own_way_only():
    assert estimate(FOLDER, fan(101)).broken == ("refused: 100 shards",)
    assert estimate(FOLDER, fan(101), way=INLINE).broken == ()


def test_the_plain_way_never_groups():
    plain = estimate(FOLDER, fan(5_000), way=INLINE)
    assert plain.submissions == 5_000
    assert "25,000 events" in plain.broken


def test_a_function_that_would_need_more_than_its_time_is_told(monkeypatch):
    monkeypatch.setattr(model, "INVOCATION_S", 61.0)
    assert estimate(FOLDER, fan(10)).broken == ("job_map: about 61 s",)


def test_a_function_that_is_not_called_takes_no_time():
    assert function_seconds(FOLDER.description, Usage(), Work(10)) == {"job_map": 0}


@pytest.mark.parametrize(
    ("shards", "shard_bytes", "breaks"),
    [(100, 1 * GIB, False), (100, 10 * GIB, False), (10_000, 10 * GIB, True), (100_000, 4 * MIB, True)],
    ids=["copied", "copied in more parts", "too many copies", "too much to write"],
)
def test_a_merged_object_that_s3_does_not_take_is_told(shards, shard_bytes, breaks):
    told = estimate(FOLDER, fan(shards), shard_bytes=shard_bytes).broken
    assert any("merged object" in each for each in told) is breaks


def test_states_whose_requests_are_not_modelled_are_known():
    assert requests_unknown(FOLDER, "Unheard_Of")
    assert not requests_unknown(FOLDER, "String_Repeat")
    assert not requests_unknown(FOLDER, "Map")
