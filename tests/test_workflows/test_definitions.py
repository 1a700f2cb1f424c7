"""Every definition in workflows/ keeps the rules; and the rules find what they are there for."""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.policies import Policies
from tests.synthesis import ROOT, Synthesized
from tests.test_workflows.definition_rules import problems

FOLDERS = sorted(path.parent for path in (ROOT / "workflows").glob("*/workflow.yaml"))
STRINGS = json.loads((ROOT / "workflows/string_processing/definition.asl.json").read_text("utf-8"))


def test_there_are_workflows() -> None:
    assert [folder.name for folder in FOLDERS] == ["string_processing"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_rules_are_kept(folder: Path) -> None:
    assert problems(json.loads((folder / "definition.asl.json").read_text("utf-8"))) == []


def state(part: Any, name: str) -> dict[str, Any]:
    """The state of that name, wherever it is."""
    if isinstance(part, list):
        return next((found for found in (state(each, name) for each in part) if found), {})
    if not isinstance(part, dict):
        return {}
    return part.get("States", {}).get(name) or state(list(part.values()), name)


Change = Callable[[dict[str, Any]], object]
BREACHES: list[tuple[str, Change, str]] = [
    ("String_Split", lambda s: s.pop("TimeoutSeconds"), "String_Split: no TimeoutSeconds"),
    ("Job_Map", lambda s: s.pop("Retry"), "Job_Map: no Retry"),
    ("Notification", lambda s: s.pop("Catch"), "Notification: does not catch States.ALL at the end"),
    ("Parallel_Process", lambda s: s.pop("Catch"), "Parallel_Process: does not catch States.ALL at the end"),
    ("Failed", lambda s: s.pop("Comment"), "Failed: no Comment"),
    ("Failed", lambda s: s.update(Next="Job_Mapp"), "definition: goes to Job_Mapp, which is not there"),
    ("Is_Complete", lambda s: s.pop("Default"), "Is_Complete: no Default"),
    ("Is_Complete", lambda s: s["Choices"].clear(), "definition: Failed is never reached"),
    ("Outcome", lambda s: s.update(End=True), "definition: ends in a state that is neither Succeed nor Fail"),
    (
        "String_Split",
        lambda s: s.update(Resource="arn:aws:states:::batch:submitJob.sync"),
        "String_Split: Resource arn:aws:states:::batch:submitJob.sync does not begin with arn:${Partition}:states:::",
    ),
    (
        "String_Repeat",
        lambda s: s["Retry"][0].update(ErrorEquals=["States.TaskFailed"]),
        "String_Repeat: retries States.TaskFailed, which the outer loop owns",
    ),
    (
        "String_Process_Repeat",
        lambda s: s.update(ResultWriter={}),
        "String_Process_Repeat: uses ResultWriter, which the emulator does not do",
    ),
    (
        "String_Process_Repeat",
        lambda s: s.update(ItemBatcher={}),
        "String_Process_Repeat: uses ItemBatcher, which the emulator does not do",
    ),
    (
        "String_Process_Repeat",
        lambda s: s.update(MaxConcurrencyPath="$.n"),
        "String_Process_Repeat: uses MaxConcurrencyPath, which the emulator does not do",
    ),
    ("Job_Map", lambda s: s.update(Assign={"n": 1}), "Job_Map: uses Assign, which the emulator does not do"),
    (
        "Job_Map",
        lambda s: s["Parameters"]["Payload"].update({"run_id.$": "$run_id"}),
        "Job_Map: uses a variable, which the emulator does not do",
    ),
    (
        "Record_Start",
        lambda s: s["Parameters"]["Key"].update(pk={"S.$": "States.Format('RUN#{}', $run_id)"}),
        "Record_Start: uses a variable, which the emulator does not do",
    ),
    (
        "String_Repeat",
        lambda s: s.update(QueryLanguage="JSONata"),
        "String_Repeat: uses JSONata in a distributed Map, which the emulator evaluates wrongly",
    ),
    (
        "String_Repeat",
        lambda s: s["Parameters"].update({"JobName.$": "$$.Execution.Name"}),
        "String_Repeat: reads the execution's context in a child, which is the child's on AWS and the parent's in the "
        "emulator",
    ),
    (
        "String_Process_Repeat",
        lambda s: s.pop("ResultPath"),
        "String_Process_Repeat: keeps its children's results (no ResultPath null), which may break the limit of 256 "
        "KiB",
    ),
    (
        "String_Process_Repeat",
        lambda s: s.pop("ToleratedFailurePercentage"),
        "String_Process_Repeat: a failed child would stop its siblings (no ToleratedFailurePercentage 100)",
    ),
    (
        "String_Process_Repeat",
        lambda s: s["ItemProcessor"]["ProcessorConfig"].update(ExecutionType="EXPRESS"),
        "String_Process_Repeat: its children are not STANDARD, which .sync needs",
    ),
    (
        "String_Repeat_Ended",
        lambda s: s.update(Result={"x": 1}),
        "String_Process_Repeat: child String_Repeat_Ended does not end with {}",
    ),
]


@pytest.mark.parametrize(("name", "change", "problem"), BREACHES, ids=[problem[:60] for _, _, problem in BREACHES])
def test_a_breach_is_found(name: str, change: Change, problem: str) -> None:
    definition = copy.deepcopy(STRINGS)
    change(state(definition, name))
    assert problem in problems(definition)


def test_a_definition_without_timeout_or_end_is_found() -> None:
    definition = copy.deepcopy(STRINGS)
    del definition["TimeoutSeconds"], definition["States"]["Succeeded"]
    assert {"definition: no TimeoutSeconds", "definition: does not end in Succeed and Fail"} <= set(
        problems(definition)
    )


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_asl_validator_accepts_what_is_deployed(folder: Path, production: Synthesized, tmp_path: Path) -> None:
    policies = Policies(production.template)
    for name, definition, substitutions in production.definitions():
        if substitutions["WorkflowName"] != folder.name:
            continue
        text = json.dumps(definition)
        for placeholder, value in policies.resolve(substitutions).items():
            text = text.replace(f"${{{placeholder}}}", value)
        path = tmp_path / f"{name}.asl.json"
        path.write_text(text, "utf-8")
        assert asl_validator(path) == (0, "")
        assert not re.search(r"\$\{", text)


def test_asl_validator_refuses_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "wrong.asl.json"
    path.write_text('{"StartAt": "A", "States": {"A": {"Type": "Task", "Next": "B"}}}', "utf-8")
    code, told = asl_validator(path)
    assert code != 0
    assert told


def asl_validator(path: Path) -> tuple[int, str]:
    """Exit code of asl-validator, and what it says when that is not 0."""
    node = Path(sys.executable).with_name("node")
    script = ROOT / "node_modules" / ".bin" / "asl-validator"
    ended = subprocess.run(
        [str(node), str(script.resolve()), "--json-path", str(path)], capture_output=True, text=True, check=False
    )
    return ended.returncode, "" if ended.returncode == 0 else ended.stdout + ended.stderr
