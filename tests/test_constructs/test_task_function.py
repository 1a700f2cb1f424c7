"""Lambda functions."""

import pytest

from tests.policies import Policies
from tests.synthesis import Synthesized


@pytest.mark.parametrize(
    ("part", "name", "memory_mib"), [("JobMap", "job_map", 1769), ("CheckOutput", "check_output", 3008)]
)
def test_on_arm64_with_the_newest_python_and_the_declared_size(
    production: Synthesized, part: str, name: str, memory_mib: int
) -> None:
    function = production.one("AWS::Lambda::Function", part)
    assert function["Architectures"] == ["arm64"]
    assert function["Runtime"] == "python3.14"
    assert function["Handler"] == f"{name}.handler"
    assert (function["MemorySize"], function["Timeout"]) == (memory_mib, 900)
    assert "FunctionName" not in function


@pytest.mark.parametrize("part", ["JobMap", "CheckOutput"])
def test_its_log_has_retention_and_its_role_writes_no_other(production: Synthesized, part: str) -> None:
    policies = Policies(production.template)
    function = production.one("AWS::Lambda::Function", part)
    group = function["LoggingConfig"]["LogGroup"]["Ref"]
    assert production.resources("AWS::Logs::LogGroup")[group]["RetentionInDays"] == 90
    role = production.name_of("AWS::IAM::Role", f"{part}Role")
    assert "ManagedPolicyArns" not in production.resources("AWS::IAM::Role")[role]
    assert policies.allows(role, "logs:PutLogEvents", policies.arn(group))
    assert not policies.allows(role, "logs:CreateLogGroup", policies.arn(group))
    assert not policies.allows(role, "logs:PutLogEvents", policies.arn(group).replace(part, "Other"))


def test_code_is_the_functions_folder_without_compiled_files(production: Synthesized) -> None:
    for part, name in (("JobMap", "job_map"), ("CheckOutput", "check_output")):
        key = production.one("AWS::Lambda::Function", part)["Code"]["S3Key"]
        files = {path.name for path in (production.folder / f"asset.{key.removesuffix('.zip')}").rglob("*")}
        assert f"{name}.py" in files
        assert not any(file.endswith(".pyc") or file == "__pycache__" for file in files)
