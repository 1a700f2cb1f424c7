"""Reading workflow folders: what is in them as data, and what is wrong with them in one line."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpc_constructs.key_patterns import ObjectAccess
from hpc_constructs.workflow_checks import WorkflowFolderError, pascal_case
from hpc_constructs.workflow_folder import read_workflow_folders
from hpc_constructs.workflow_parts import WorkflowFolder, largest_job_vcpus
from tests.synthesis import ROOT

SCHEMA = ROOT / "workflows" / "schema.json"


def read(directory: Path, functions: Path = ROOT / "lambda") -> tuple[WorkflowFolder, ...]:
    return read_workflow_folders(directory, schema=SCHEMA, functions=functions)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the string workflow that a test may spoil."""
    copy = tmp_path / "string_processing"
    shutil.copytree(ROOT / "workflows" / "string_processing", copy)
    return copy


def spoil(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "workflow.yaml"
    raw = yaml.safe_load(path.read_text("utf-8"))
    change(raw)
    path.write_text(yaml.safe_dump(raw, sort_keys=False), "utf-8")


def test_the_string_workflow() -> None:
    (workflow,) = read(ROOT / "workflows")
    assert workflow.name == "string_processing"
    assert workflow.archived_prefixes == ("uploads/", "source/", "result/")
    assert workflow.intermediate_tag == ("retention", "intermediate")
    assert [job.name for job in workflow.jobs] == ["string_split", "string_repeat", "string_reverse", "string_merge"]
    assert [function.code for function in workflow.functions] == [ROOT / "lambda/job_map", ROOT / "lambda/check_output"]
    assert workflow.calls == {
        "batch:submitJob.sync",
        "dynamodb:updateItem",
        "lambda:invoke",
        "s3:getObject",
        "sns:publish",
    }
    assert workflow.has_distributed_map
    assert largest_job_vcpus([workflow]) == 1
    assert pascal_case("string_split") == "StringSplit"


def test_reads_and_writes_become_accesses() -> None:
    split = read(ROOT / "workflows")[0].jobs[0]
    assert split.accesses[0] == ObjectAccess(bucket="input", keys="uploads/*", gets=True)
    assert split.accesses[2] == ObjectAccess(
        bucket="output", keys="result/*/String_Split/*", puts=True, tagged=True, deletes=True
    )


MISTAKES: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda w: w.pop("jobs"), "the file: found no 'jobs'; expected it"),
    (lambda w: w.update(jobs=[]), "jobs: found []; expected one entry a Batch job"),
    (lambda w: w.update(name="other"), "name: found 'other'; expected the folder's name 'string_processing'"),
    (
        lambda w: w.update(name="String-Processing"),
        "name: found 'String-Processing'; expected a name of 1 to 40 of a-z, 0-9 and single '_', beginning with a "
        "letter",
    ),
    (
        lambda w: w["jobs"]["string_split"].update(vcpus="two"),
        "jobs.string_split.vcpus: found 'two'; expected a whole number of vCPUs from 1 to 192",
    ),
    (
        lambda w: w["jobs"]["string_split"].update(timeout_s=10),
        "jobs.string_split.timeout_s: found 10; expected a whole number of seconds from 60 (Batch's minimum) to "
        "1209600 (14 days)",
    ),
    (
        lambda w: w["jobs"]["string_split"].update(vcpu=2),
        "jobs.string_split: found 'vcpu' (did you mean vcpus?); expected command, image, memory_mib, reads, states, "
        "timeout_s, vcpus, writes",
    ),
    (lambda w: w["jobs"]["string_split"].pop("memory_mib"), "jobs.string_split: found no 'memory_mib'; expected it"),
    (
        lambda w: w["jobs"]["string_split"].update(command="python -m string_split"),
        "jobs.string_split.command: found 'python -m string_split'; expected a list of words, such as [python, -m, "
        "string_split]",
    ),
    (
        lambda w: w["jobs"]["string_split"]["reads"][0].update(keys="*"),
        "jobs.string_split.reads.0.keys: found '*'; expected a pattern of keys that begins with a folder's name, such "
        "as result/*/String_Split/*",
    ),
    (
        lambda w: w["jobs"]["string_split"]["writes"][0].update(bucket="input"),
        "jobs.string_split.writes.0.bucket: found 'input'; expected output (results never go where inputs are read)",
    ),
    (
        lambda w: w["storage"].update(archived=["result"]),
        "storage.archived.0: found 'result'; expected a prefix of keys that ends in '/', such as uploads/",
    ),
    (
        lambda w: w["functions"]["job_map"].update(timeout_s=901),
        "functions.job_map.timeout_s: found 901; expected a whole number of seconds from 1 to 900",
    ),
    (
        lambda w: w["parameters"]["properties"]["SPLIT_NUM"].pop("flag"),
        "parameters.properties.SPLIT_NUM: found no 'flag'; expected it",
    ),
    (
        lambda w: w["sharding"].update(lines_per_shard_parameter="SPLIT"),
        "sharding: found parameter 'SPLIT'; expected one of ProjectNo, INPUT_BUCKET, INPUT_KEY, OUTPUT_BUCKET, "
        "SPLIT_NUM, architecture",
    ),
    (
        lambda w: w["steps"][0].update(after=["String_Repeat"]),
        "steps: found String_Split after 'String_Repeat'; expected one of the steps before it: (none)",
    ),
    (
        lambda w: w["storage"].pop("intermediate_tag"),
        "jobs.string_split: found tagged writes; expected storage.intermediate_tag to say with which tag",
    ),
    (
        lambda w: w["jobs"].update(other=w["jobs"]["string_split"]),
        "jobs.other: found no ${OtherJobDefinitionArn} in the definition; expected a state that uses it",
    ),
]


@pytest.mark.parametrize(("change", "told"), MISTAKES, ids=[told[:50] for _, told in MISTAKES])
def test_a_mistake_is_told_in_one_line(folder: Path, change: Callable[[dict[str, Any]], object], told: str) -> None:
    spoil(folder, change)
    with pytest.raises(WorkflowFolderError) as refused:
        read(folder.parent)
    assert str(refused.value) == f"{folder / 'workflow.yaml'}: {told}"


def test_a_state_that_the_definition_does_not_have(folder: Path) -> None:
    spoil(folder, lambda workflow: workflow["steps"][0].update(state="String_Splitt"))
    with pytest.raises(
        WorkflowFolderError, match="steps: found state 'String_Splitt'; expected one of the definition: "
    ):
        read(folder.parent)


def test_files_that_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        WorkflowFolderError, match=r"job_map.py: found no such file; expected the code of function job_map"
    ):
        read(folder.parent, functions=tmp_path)
    (folder / "workflow.yaml").write_text("name: [", "utf-8")
    with pytest.raises(WorkflowFolderError, match=r"workflow.yaml: is not YAML: while parsing .*") as refused:
        read(folder.parent)
    assert "\n" not in str(refused.value)
    shutil.copy(ROOT / "workflows/string_processing/workflow.yaml", folder)
    (folder / "definition.asl.json").write_text("{", "utf-8")
    with pytest.raises(WorkflowFolderError, match=r"definition.asl.json: .*; expected a state machine in JSON"):
        read(folder.parent)
    (folder / "definition.asl.json").unlink()
    with pytest.raises(WorkflowFolderError, match=r"No such file or directory.*; expected a state machine in JSON"):
        read(folder.parent)


def test_a_directory_without_workflows(tmp_path: Path) -> None:
    with pytest.raises(WorkflowFolderError, match=r"found no workflow; expected a folder with a workflow\.yaml"):
        read(tmp_path)


def test_numbers_replace_whole_texts_and_texts_replace_parts() -> None:
    workflow = WorkflowFolder("w", {"a": "${N}", "b": ["arn:${P}:x", "${N} of ${Other}", 1]}, (), None, (), (), ())
    assert workflow.definition_with({"N": 5, "P": "aws"}) == {"a": 5, "b": ["arn:aws:x", "5 of ${Other}", 1]}
    assert json.dumps(workflow.definition) == '{"a": "${N}", "b": ["arn:${P}:x", "${N} of ${Other}", 1]}'
