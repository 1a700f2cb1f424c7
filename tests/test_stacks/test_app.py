"""The app: its errors for people, and the same feature flags however it is started."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import create_app
from hpc_constructs.settings.fields import SettingsError
from hpc_constructs.workflow_checks import WorkflowFolderError
from tests.synthesis import ROOT, Synthesized


def refused(**context: str) -> str:
    with pytest.raises((SettingsError, WorkflowFolderError)) as error:
        create_app(context={"UserName": "abc", **context}, environment={})
    return str(error.value)


def test_room_for_the_largest_job_in_every_environment(tmp_path: Path) -> None:
    folder = tmp_path / "string_processing"
    folder.mkdir()
    source = ROOT / "workflows" / "string_processing"
    (folder / "definition.asl.json").write_text((source / "definition.asl.json").read_text("utf-8"), "utf-8")
    yaml_text = (source / "workflow.yaml").read_text("utf-8").replace("vcpus: 1", "vcpus: 64", 1)
    (folder / "workflow.yaml").write_text(yaml_text, "utf-8")
    assert refused(workflowsDirectory=str(tmp_path), x86MaxVcpus="127") == (
        "x86MaxVcpus is 127; allowed: at least 128: room for the largest job (64 vCPUs) on Spot and on-demand each; "
        "example: -c x86MaxVcpus=128"
    )
    assert refused(workflowsDirectory=str(tmp_path), gravitonMaxVcpus="63", spot="false") == (
        "gravitonMaxVcpus is 63; allowed: at least 64: room for the largest job (64 vCPUs); "
        "example: -c gravitonMaxVcpus=64"
    )


def test_an_output_bucket_with_keys_that_nothing_writes() -> None:
    assert refused(outputBuckets="shared:results/*") == (
        "outputBuckets has keys for shared that no workflow writes (results/*); allowed: keys under result/*; "
        "example: -c outputBuckets='shared:result/*'"
    )


def test_a_bad_workflow_folder(tmp_path: Path) -> None:
    assert refused(workflowsDirectory=str(tmp_path)) == (
        f"{tmp_path}: found no workflow; expected a folder with a workflow.yaml"
    )


def test_placeholders_and_calls_that_nobody_supplies(tmp_path: Path) -> None:
    folder = tmp_path / "string_processing"
    folder.mkdir()
    source = ROOT / "workflows" / "string_processing"
    (folder / "workflow.yaml").write_text((source / "workflow.yaml").read_text("utf-8"), "utf-8")
    definition = (source / "definition.asl.json").read_text("utf-8")
    (folder / "definition.asl.json").write_text(definition.replace("${TopicArn}", "${TopikArn}"), "utf-8")
    assert refused(workflowsDirectory=str(tmp_path)).startswith(
        "string_processing: definition: found ${TopikArn}; expected one of CheckOutputFunctionArn, "
    )
    (folder / "definition.asl.json").write_text(definition.replace("sns:publish", "sqs:sendMessage"), "utf-8")
    assert refused(workflowsDirectory=str(tmp_path)) == (
        "string_processing: definition: found a call of sqs:sendMessage; expected batch:submitJob.sync, "
        "dynamodb:updateItem, lambda:invoke, sns:publish"
    )


def run_app(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python app.py` as the command line starts it, without credentials or anything else of this machine's."""
    kept = {name: os.environ[name] for name in ("JSII_NODE", "PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**kept, "CDK_OUTDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_missing_setting_ends_the_app_with_one_line(tmp_path: Path) -> None:
    ended = run_app(tmp_path)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.splitlines() == [
        "UserName is not set; allowed: 2 to 20 of a-z, 0-9 and single '-', first and last a letter or digit (made "
        "lower case); example: UserName=abc"
    ]


def test_started_by_hand_the_app_writes_the_template_that_tests_see(tmp_path: Path, production: Synthesized) -> None:
    """A bare App would read no cdk.json and have other feature flags."""
    ended = run_app(tmp_path, UserName="abc")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads((tmp_path / "Production-abc.template.json").read_text("utf-8")) == production.template
    web = json.loads((tmp_path / "WebApplication-abc.template.json").read_text("utf-8"))
    assert web == production.web.template


def test_references_between_stacks_are_weak() -> None:
    """Strong ones make a stack undeletable and its outputs unchangeable while another stack reads them."""
    context = json.loads((ROOT / "cdk.json").read_text("utf-8"))["context"]
    assert context["@aws-cdk/core:defaultCrossStackReferences"] == "weak"


def test_the_assembly_needs_no_account(production: Synthesized) -> None:
    manifest = json.loads((production.folder / "manifest.json").read_text("utf-8"))
    assert manifest["artifacts"]["Production-abc"]["environment"] == "aws://unknown-account/us-east-1"
    assert "missing" not in manifest
    entries = [each for artifact in manifest["artifacts"].values() for each in artifact.get("metadata", {}).values()]
    assert not [entry for found in entries for entry in found if entry["type"] in ("aws:cdk:error", "aws:cdk:warning")]
