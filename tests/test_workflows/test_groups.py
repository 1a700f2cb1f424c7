"""Groups in the definition: the same work as single jobs, submitted as array jobs."""

import json
from typing import Any

import pytest
import yaml

from tests.synthesis import ROOT
from tests.test_workflows.test_definitions import STRINGS, state

WORKFLOW = yaml.safe_load((ROOT / "workflows/string_processing/workflow.yaml").read_text("utf-8"))


@pytest.fixture(params=["String_Repeat", "String_Reverse"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def variables(job: dict[str, Any]) -> dict[str, str]:
    return {
        each["Name"]: each.get("Value") or each["Value.$"]
        for each in job["Parameters"]["ContainerOverrides"]["Environment"]
    }


def test_more_than_one_shard_is_a_group(name: str) -> None:
    processor = state(STRINGS, f"String_Process_{name.removeprefix('String_')}")["ItemProcessor"]
    choice = processor["States"][processor["StartAt"]]
    assert choice["Choices"] == [{"Variable": "$.size", "NumericGreaterThan": 1, "Next": f"{name}_Group"}]
    assert choice["Default"] == name


def test_a_group_is_an_array_job_of_the_same_kind(name: str) -> None:
    single, group = state(STRINGS, name), state(STRINGS, f"{name}_Group")
    assert group["Parameters"]["ArrayProperties"] == {"Size.$": "$.size"}
    assert group["Parameters"]["JobName.$"] == f"States.Format('{{}}-{name}_Group-{{}}', $.run_id, $.index)"
    for part in ("JobQueue.$", "JobDefinition.$", "Tags", "PropagateTags"):
        assert group["Parameters"][part] == single["Parameters"][part]
    for part in ("Resource", "Retry", "ResultPath", "Next"):
        assert group[part] == single[part]
    assert [(each["ErrorEquals"], each["Next"]) for each in group["Catch"]] == [
        (each["ErrorEquals"], each["Next"]) for each in single["Catch"]
    ]


def test_a_child_is_told_where_its_shard_stands(name: str) -> None:
    assert variables(state(STRINGS, f"{name}_Group")) == {
        "STATE": name,
        "RUN_ID": "$.run_id",
        "PROJECT_NO": "$.ProjectNo",
        "OUTPUT_BUCKET": "$.OUTPUT_BUCKET",
        "INPUT_KEY": "$.INPUT_KEY",
        "SHARD_LIST_KEY": "$.shard_list_key",
        "GROUP_OFFSET": "States.Format('{}', $.offset)",
        "SHARD_DIGITS": "States.Format('{}', $.shard_digits)",
    }


def test_what_the_child_of_the_map_reads_is_selected_for_it(name: str) -> None:
    selected = state(STRINGS, f"String_Process_{name.removeprefix('String_')}")["ItemSelector"]
    assert selected["shard_list_key.$"] == f"$.map.branches.{name}.shard_list_key"
    assert selected["shard_digits.$"] == f"$.map.branches.{name}.shard_digits"
    given = {key.removesuffix(".$") for key in selected}
    text = json.dumps([state(STRINGS, name), state(STRINGS, f"{name}_Group")])
    assert {field for field in given if f"$.{field}" in text} == given


def test_people_see_one_step_a_branch(name: str) -> None:
    step = next(step for step in WORKFLOW["steps"] if step["state"] == name)
    assert step["group_state"] == f"{name}_Group"
    assert f"{name}_Group" not in [step["state"] for step in WORKFLOW["steps"]]
    assert WORKFLOW["jobs"][name.lower()]["states"] == [name, f"{name}_Group"]


def test_its_job_may_read_the_list(name: str) -> None:
    assert {"bucket": "output", "keys": "result/*/Job_Map/*"} in WORKFLOW["jobs"][name.lower()]["reads"]
