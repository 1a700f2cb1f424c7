"""Who may import whom: the arrows of the architecture, held by reading every import."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CDK = {"aws_cdk", "constructs", "cdk_nag", "hpc_constructs", "stacks", "settings", "app"}

# What the construct copies into a function's asset; a test holds that asset to what Lambda has.
COPIED = {"api": {"hpc"}}


def imports(file: Path) -> set[str]:
    """Top-level names that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found


def files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found, folder
    return found


@pytest.mark.parametrize("file", files("hpc"), ids=str)
def test_the_command_line_knows_no_cdk(file):
    assert not imports(file) & CDK


@pytest.mark.parametrize("file", [*files("constructs"), *files("stacks")], ids=str)
def test_stacks_and_constructs_know_no_command_line(file):
    assert not imports(file) & {"hpc", "ministack", "boto3"}


def test_only_the_hooks_and_the_entry_know_the_emulator():
    knowing = {file.relative_to(ROOT / "hpc" / "local") for file in files("hpc") if "ministack" in imports(file)}
    assert {path for path in knowing if path.parent.name != "hooks"} == {Path("emulator.py")}


@pytest.mark.parametrize("folder", sorted(path.name for path in (ROOT / "lambda").iterdir() if path.is_dir()))
def test_a_function_ships_alone(folder):
    own = {file.stem for file in files(f"lambda/{folder}")}
    for file in files(f"lambda/{folder}"):
        assert imports(file) <= set(sys.stdlib_module_names) | {"boto3", "botocore"} | own | COPIED.get(folder, set())


def test_a_job_ships_alone():
    jobs = {path.name for path in (ROOT / "docker-image" / "BatchJob").iterdir() if path.is_dir()}
    for file in files("docker-image/BatchJob"):
        assert imports(file) <= set(sys.stdlib_module_names) | {"boto3", "botocore"} | jobs


def test_the_page_ships_alone():
    packages = {
        "gunicorn",
        "flask",
        "flask_wtf",
        "werkzeug",
        "markupsafe",
        "botocore",
        "urllib3",
        "jwt",
        "web_application",
    }
    for file in files("docker-image/WebApplication"):
        assert imports(file) <= set(sys.stdlib_module_names) | packages
