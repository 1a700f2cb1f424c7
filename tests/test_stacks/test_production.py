"""The stack as a whole: outputs, linters, what is left after its end, and another workflow without a change of code."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.policies import Policies
from tests.synthesis import ROOT, Synthesized, synthesize
from tests.web_variants import PAGES


def test_the_stack_is_not_empty(production: Synthesized) -> None:
    """Guards the sweeping tests below, which an empty template would pass."""
    assert 70 <= len(production.template["Resources"]) <= 200
    kinds = {resource["Type"] for resource in production.template["Resources"].values()}
    assert {"AWS::Batch::JobQueue", "AWS::StepFunctions::StateMachine", "AWS::S3::Bucket", "AWS::EC2::VPC"} <= kinds


def test_outputs(production: Synthesized) -> None:
    # What other stacks refer to has outputs of the CDK's.
    found = production.template["Outputs"].items()
    outputs = {name: output["Value"] for name, output in found if not name.startswith("PublishOutput")}
    resolved = Policies(production.template).resolve(outputs)
    assert set(outputs) == {
        "S3BucketForAWSBatch",
        "RunTableName",
        "NotificationTopicArn",
        "StateMachineArns",
        "JobDefinitionArns",
        "JobQueueArns",
        "AllowedInputs",
        "RootVolumeGib",
        "AllowedOutputs",
    }
    assert outputs["S3BucketForAWSBatch"] == {"Ref": production.name_of("AWS::S3::Bucket", "DataBucket")}
    assert outputs["RunTableName"] == {"Ref": production.name_of("AWS::DynamoDB::Table")}
    assert ":stateMachine:" in json.loads(resolved["StateMachineArns"])["string_processing"]
    definitions = json.loads(resolved["JobDefinitionArns"])["string_processing"]
    assert list(definitions) == ["string_split", "string_repeat", "string_reverse", "string_merge"]
    assert all(":job-definition/" in arn for arn in definitions.values())
    queues = json.loads(resolved["JobQueueArns"])
    assert {architecture: list(queue) for architecture, queue in queues.items()} == {
        "graviton": ["first_try", "next_tries"],
        "x86": ["first_try", "next_tries"],
    }
    assert "GravitonFirstTry" in queues["graviton"]["first_try"]
    assert "X86NextTries" in queues["x86"]["next_tries"]


def test_cdk_nag_has_no_finding_that_is_not_acknowledged_with_a_reason(production: Synthesized) -> None:
    (report,) = production.validation_report["pluginReports"]
    assert (report["pluginName"], report["conclusion"], report["violations"]) == ("AwsSolutions", "success", [])
    accepted = report["suppressedViolations"]
    assert len(accepted) >= 20
    assert all(len(finding["reason"]) > 50 for finding in accepted)
    # Wildcards in policies, policies that the ECS agent and API Gateway need, tracing, how the API is guarded, and of
    # the page: its variables, container metrics, the bucket of access logs, the key that nobody rotates.
    assert {finding["ruleName"].split("[")[0] for finding in accepted} == {
        "AwsSolutions-APIG3",
        "AwsSolutions-COG4",
        "AwsSolutions-ECS2",
        "AwsSolutions-ECS4",
        "AwsSolutions-IAM4",
        "AwsSolutions-IAM5",
        "AwsSolutions-S1",
        "AwsSolutions-SF2",
        "AwsSolutions-SMG4",
    }


def test_a_finding_fails_synthesis(monkeypatch: pytest.MonkeyPatch) -> None:
    import hpc_constructs.workflow

    monkeypatch.setattr(hpc_constructs.workflow, "acknowledge", lambda *_, **__: None)
    with pytest.raises(RuntimeError, match=r"ValidationFailed: ERROR .* X-Ray tracing"):
        synthesize(maxAttempts="2")


VARIANTS: list[dict[str, str]] = [
    {},
    {"retainData": "false"},
    {"natGateways": "2", "spot": "false"},
    {"existingDataBucket": "kept-bucket", "existingTable": "Kept-Runs"},
    {"inputBuckets": "genomes:raw/*", "outputBuckets": "shared:result/P1/*"},
    {"EmailAddress": "abc@example.org"},
    {"admins": "arn:aws:iam::123456789012:role/Operators,alice@example.org", "apiRateLimit": "7", "apiBurstLimit": "9"},
    PAGES["certificate"],
    PAGES["sign-in"],
]


def test_cfn_lint_accepts_every_variant() -> None:
    """W3005: the CDK writes DependsOn where a reference says the same."""
    assemblies = [synthesize(**settings) for settings in VARIANTS]
    files = [str(stack.template_file) for assembly in assemblies for stack in (assembly, assembly.web)]
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    ended = subprocess.run([str(cfn_lint), "-i", "W3005", "--", *files], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")


@pytest.mark.parametrize("settings", VARIANTS, ids=lambda settings: ",".join(settings) or "defaults")
def test_everything_that_holds_a_log_or_an_image_goes_with_the_stack(settings: dict[str, str]) -> None:
    assembly = synthesize(**settings)
    for resource in (*assembly.template["Resources"].values(), *assembly.web.template["Resources"].values()):
        if resource["Type"] in ("AWS::Logs::LogGroup", "AWS::ECR::Repository", "AWS::KMS::Key"):
            assert resource["DeletionPolicy"] == "Delete"
        if resource["Type"] == "AWS::Logs::LogGroup":
            assert resource["Properties"]["RetentionInDays"] == 90


def kept(assembly: Synthesized) -> set[str]:
    found = assembly.template["Resources"].values()
    return {resource["Type"] for resource in found if "Retain" in resource.get("DeletionPolicy", "")}


def test_data_stays_unless_it_is_not_to_be_kept(production: Synthesized) -> None:
    assert kept(production) == {"AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::DynamoDB::Table"}
    assert production.resources("Custom::S3AutoDeleteObjects") == {}


def test_without_kept_data_nothing_is_left() -> None:
    assembly = synthesize(retainData="false")
    assert kept(assembly) == set()
    emptied = {str(each["BucketName"]) for each in assembly.resources("Custom::S3AutoDeleteObjects").values()}
    assert len(emptied) == len(assembly.resources("AWS::S3::Bucket")) == 2
    assert all(each["EmptyOnDelete"] for each in assembly.resources("AWS::ECR::Repository").values())


def test_every_function_logs_to_a_group_of_the_stack() -> None:
    for assembly in (synthesize(), synthesize(retainData="false")):
        groups = assembly.resources("AWS::Logs::LogGroup")
        for function in assembly.resources("AWS::Lambda::Function").values():
            assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups
        groups = assembly.web.resources("AWS::Logs::LogGroup")
        for function in assembly.web.resources("AWS::Lambda::Function").values():
            assert function["LoggingConfig"]["LogGroup"]["Ref"] in groups


def test_physical_names_only_where_a_service_asks_for_one(production: Synthesized) -> None:
    """A name given by hand makes a replacement fail; repositories and two kinds of log groups need theirs."""
    names = {
        (resource["Type"], key)
        for resource in production.template["Resources"].values()
        for key in resource.get("Properties", {})
        # These two say by that key whose they are.
        if resource["Type"] not in ("AWS::Lambda::EventSourceMapping", "AWS::Lambda::Permission")
        if key in ("BucketName", "TableName", "FunctionName", "RoleName", "TopicName", "StateMachineName")
        or key in ("ComputeEnvironmentName", "JobQueueName", "JobDefinitionName", "RepositoryName", "LogGroupName")
    }
    assert names == {
        ("AWS::ECR::Repository", "RepositoryName"),
        ("AWS::Logs::LogGroup", "LogGroupName"),
        ("AWS::EC2::FlowLog", "LogGroupName"),
    }


def test_no_role_may_do_everything(production: Synthesized) -> None:
    policies = Policies(production.template)
    for role in (*production.resources("AWS::IAM::Role"), *production.resources("AWS::IAM::ManagedPolicy")):
        for statement in policies.statements(role):
            assert not any("*" in action for action in statement["Action"]), role


def test_another_workflow_is_a_folder_and_touches_no_code(tmp_path: Path) -> None:
    folder = tmp_path / "workflows" / "copying"
    shutil.copytree(ROOT / "workflows" / "string_processing", folder)
    raw: dict[str, Any] = yaml.safe_load((folder / "workflow.yaml").read_text("utf-8"))
    raw["name"] = "copying"
    raw["jobs"]["string_split"]["vcpus"] = 8
    (folder / "workflow.yaml").write_text(yaml.safe_dump(raw), "utf-8")
    shutil.copytree(ROOT / "workflows" / "string_processing", folder.with_name("string_processing"))
    assembly = synthesize(workflowsDirectory=str(tmp_path / "workflows"))
    machines = Policies(assembly.template).resolve(assembly.template["Outputs"]["StateMachineArns"]["Value"])
    assert set(json.loads(machines)) == {"copying", "string_processing"}
    assert len(assembly.resources("AWS::Batch::JobDefinition")) == 8
    assert len(assembly.resources("AWS::ECR::Repository")) == 4 + 1  # the page's
