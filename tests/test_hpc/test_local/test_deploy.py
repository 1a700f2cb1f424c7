"""When a deployment is due: whenever anything that a template is made of changed, and only then."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpc.local.deploy import DeployError, DeployTarget, cdk_settings, deploy, source_digest, source_files
from hpc_constructs.api_function import FUNCTION
from hpc_constructs.function_asset import gather


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("app.py", "workflows/w/workflow.yaml", "lambda/f/f.py", "docker-image/BatchJob/j/j.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path


def change(file: Path) -> None:
    file.write_text(file.read_text() + " ")


@pytest.mark.parametrize("name", ["app.py", "workflows/w/workflow.yaml", "lambda/f/f.py"])
def test_a_changed_source_makes_another_digest(project, name):
    before = source_digest(project, {})
    change(project / name)
    assert source_digest(project, {}) != before


def test_a_renamed_or_new_source_makes_another_digest(project):
    before = source_digest(project, {})
    (project / "lambda/f/f.py").rename(project / "lambda/f/g.py")
    renamed = source_digest(project, {})
    (project / "stacks").mkdir()
    (project / "stacks" / "new.py").touch()
    assert len({before, renamed, source_digest(project, {})}) == 3


def test_a_changed_setting_makes_another_digest(project):
    assert source_digest(project, {"HPC_CDK_SPOT": "true"}) != source_digest(project, {"HPC_CDK_SPOT": "false"})


def test_a_job_s_code_and_caches_change_nothing(project):
    before = source_digest(project, {})
    change(project / "docker-image/BatchJob/j/j.py")
    (project / "lambda" / "f" / "__pycache__").mkdir()
    (project / "lambda" / "f" / "__pycache__" / "f.pyc").touch()
    assert source_digest(project, {}) == before


def test_what_the_api_s_function_copies_is_a_source(tmp_path):
    root = Path(__file__).resolve().parents[3]
    gather(FUNCTION, packages=root, into=tmp_path)
    copied = {file.relative_to(tmp_path) for file in (tmp_path / "hpc").rglob("*") if file.is_file()}
    assert len(copied) > 20
    assert copied - {file.relative_to(root) for file in source_files(root)} == set()


def test_only_deploy_settings_reach_the_cdk():
    given = {"UserName": "abc", "HPC_CDK_SPOT": "false", "AWS_PROFILE": "prod", "AWS_SECRET_ACCESS_KEY": "x"}
    assert cdk_settings(given) == {"UserName": "abc", "HPC_CDK_SPOT": "false"}


def test_a_missing_cdk_is_named_before_anything_starts(project, tmp_path):
    target = DeployTarget(
        project_root=project, state_dir=tmp_path / "state", endpoint_url="http://127.0.0.1:1", region="us-east-1",
        account="000000000000", access_key_id="a", secret_access_key="b", user_name="local",
    )  # fmt: skip
    with pytest.raises(DeployError, match=r"no node_modules/aws-cdk.*make setup"):
        deploy(target, say=lambda _: None)
