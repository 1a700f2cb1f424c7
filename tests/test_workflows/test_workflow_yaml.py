"""Every workflow.yaml: held to the schema, fitting its definition and the code that it names."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.synthesis import ROOT
from tests.test_workflows.test_definitions import FOLDERS

SCHEMA = json.loads((ROOT / "workflows" / "schema.json").read_text("utf-8"))


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def workflow(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "workflow.yaml").read_text("utf-8"))


def test_the_schema_is_a_schema_and_explains_every_part() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    unexplained = [place for place, part in parts(SCHEMA, "") if "$ref" not in part and "description" not in part]
    assert unexplained == []


def parts(schema: Any, place: str) -> list[tuple[str, dict[str, Any]]]:
    """Every subschema that a workflow.yaml is held to, with its place."""
    found = [(place, schema)]
    for key in ("properties", "$defs"):
        for name, part in schema.get(key, {}).items():
            found += parts(part, f"{place}/{name}") if isinstance(part, dict) else []
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found += parts(schema[key], f"{place}/{key}")
    return found


def test_every_workflow_is_held_to_the_schema(workflow: dict[str, Any]) -> None:
    assert [error.message for error in Draft202012Validator(SCHEMA).iter_errors(workflow)] == []


def test_examples_and_defaults_of_parameters_are_valid(workflow: dict[str, Any]) -> None:
    for name, parameter in workflow["parameters"]["properties"].items():
        given = [*parameter["examples"], *([parameter["default"]] if "default" in parameter else [])]
        for value in given:
            assert Draft202012Validator(parameter).is_valid(value), f"{name}: {value}"


def test_flags_are_different(workflow: dict[str, Any]) -> None:
    flags = [parameter["flag"] for parameter in workflow["parameters"]["properties"].values()]
    assert len(set(flags)) == len(flags)


def test_every_step_is_run_by_one_job_or_function(workflow: dict[str, Any]) -> None:
    owners = [
        state for kind in ("jobs", "functions") for part in workflow.get(kind, {}).values() for state in part["states"]
    ]
    assert len(set(owners)) == len(owners)
    assert {step["state"] for step in workflow["steps"]} <= set(owners)


def test_code_and_image_are_there(workflow: dict[str, Any]) -> None:
    for job in workflow["jobs"].values():
        assert (ROOT / "docker-image" / "BatchJob" / job["image"] / "Dockerfile").is_file()
    for name in workflow.get("functions", {}):
        assert "def handler(" in (ROOT / "lambda" / name / f"{name}.py").read_text("utf-8")


def test_no_job_writes_where_it_reads(workflow: dict[str, Any]) -> None:
    for job in workflow["jobs"].values():
        written = {write["keys"] for write in job["writes"]}
        assert written.isdisjoint(read["keys"] for read in job["reads"])


def test_a_task_outlives_every_attempt_of_its_job(folder: Path, workflow: dict[str, Any]) -> None:
    """TimeoutSeconds of a state counts waiting in the queue too; the job's own timeout does not."""
    text = (folder / "definition.asl.json").read_text("utf-8")
    timeouts = dict(task_timeouts(json.loads(text)))
    for part in [*workflow["jobs"].values(), *workflow.get("functions", {}).values()]:
        for state in part["states"]:
            assert timeouts[state] > part["timeout_s"], state


def task_timeouts(part: Any, name: str = "") -> list[tuple[str, int]]:
    if isinstance(part, list):
        return [found for each in part for found in task_timeouts(each)]
    if not isinstance(part, dict):
        return []
    own = [(name, part["TimeoutSeconds"])] if part.get("Type") == "Task" else []
    return own + [found for key, each in part.items() for found in task_timeouts(each, key)]
