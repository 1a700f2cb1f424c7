"""What an image contains: each job's own folder and the shared package, which import nothing else."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BATCH_JOB = ROOT / "docker-image" / "BatchJob"
JOBS = sorted(path.parent.name for path in BATCH_JOB.glob("*/Dockerfile"))
PACKAGES = {"boto3", "botocore"}
OF_A_GROUP = {"SHARD_LIST_KEY", "GROUP_OFFSET", "SHARD_DIGITS", "INPUT_KEY", "AWS_BATCH_JOB_ARRAY_INDEX"}
OF_BATCH = {"AWS_BATCH_JOB_ID", "AWS_BATCH_JOB_ATTEMPT", "AWS_REGION"}


def imports(folder: Path) -> Iterator[tuple[str, str]]:
    """Each file's name with the first part of each module that it imports."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((str(path), alias.name.partition(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: a relative import"
                yield str(path), (node.module or "").partition(".")[0]


def instructions(job: str) -> list[str]:
    text = (BATCH_JOB / job / "Dockerfile").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_workflows_jobs_have_an_image() -> None:
    workflow = yaml.safe_load((ROOT / "workflows" / "string_processing" / "workflow.yaml").read_text())
    assert {job["image"] for job in workflow["jobs"].values()} <= set(JOBS)


@pytest.mark.parametrize("job", [*JOBS, "hpc_job"])
def test_a_job_imports_the_standard_library_boto3_and_its_own_folder(job: str) -> None:
    allowed = sys.stdlib_module_names | PACKAGES | {"hpc_job", job}
    foreign = {(path, module) for path, module in imports(BATCH_JOB / job) if module not in allowed}
    assert foreign == set()
    assert any(True for _ in imports(BATCH_JOB / job))


@pytest.mark.parametrize("job", JOBS)
def test_an_image_copies_all_that_its_job_imports(job: str) -> None:
    copied = {tuple(line.split()[1:]) for line in instructions(job) if line.startswith("COPY ")}
    local = {module for folder in (job, "hpc_job") for _, module in imports(BATCH_JOB / folder)}
    folders = {module for module in local | {job} if (BATCH_JOB / module).is_dir()}
    assert copied == {("requirements.txt", "./")} | {(folder, f"./{folder}") for folder in folders}
    assert folders == {job, "hpc_job"}


@pytest.mark.parametrize("job", JOBS)
def test_an_image_is_pinned_locked_and_not_root(job: str) -> None:
    lines = instructions(job)
    assert lines[0] == "FROM python:3.13-slim"
    assert "RUN pip install --no-cache-dir --require-hashes -r requirements.txt" in lines
    assert "WORKDIR /app" in lines
    assert any("PYTHONDONTWRITEBYTECODE=1" in line for line in lines if line.startswith("ENV "))
    user = next(line for line in lines if line.startswith("USER "))
    assert re.fullmatch(r"USER [1-9][0-9]*:[1-9][0-9]*", user)
    assert lines.index(user) > max(index for index, line in enumerate(lines) if line.startswith(("COPY ", "RUN ")))
    assert lines[-1] == f'CMD ["python", "-m", "{job}"]'


@pytest.mark.parametrize("job", JOBS)
def test_a_dockerfile_names_the_environment_that_the_state_machine_sets(job: str) -> None:
    header = (BATCH_JOB / job / "Dockerfile").read_text().partition("FROM ")[0]
    listed = re.findall(r"^#   ([A-Z_]+(?:, [A-Z_]+)*)", header, re.MULTILINE)
    named = {name for names in listed for name in names.split(", ")}
    given = environment_of(job)
    of_a_group = OF_A_GROUP if "SHARD" in given else set()
    assert named == OF_BATCH | {"IMAGE"} | of_a_group | given


def environment_of(job: str) -> set[str]:
    """Names of the variables that the definition gives to a job; the same in all states that do the same."""
    folder = ROOT / "workflows" / "string_processing"
    states = yaml.safe_load((folder / "workflow.yaml").read_text())["jobs"][job]["states"]
    given = dict(environments(json.loads((folder / "definition.asl.json").read_text())["States"]))
    of_groups = {frozenset(given[state]) for state in states if "SHARD_LIST_KEY" in given[state]}
    others = {frozenset(given[state]) for state in states if "SHARD_LIST_KEY" not in given[state]}
    assert len(others) == 1
    assert len(of_groups) <= 1
    return {name for names in of_groups | others for name in names}


def environments(states: dict[str, Any]) -> Iterator[tuple[str, set[str]]]:
    """Each Batch state with the names of its variables, in branches and Maps too."""
    for name, state in states.items():
        overrides = state.get("Parameters", {}).get("ContainerOverrides")
        if overrides:
            yield name, {variable["Name"] for variable in overrides["Environment"]}
        for part in [*state.get("Branches", []), state.get("ItemProcessor", {})]:
            yield from environments(part.get("States", {}))


def test_every_package_is_locked_by_hash_and_names_no_registry() -> None:
    text = (BATCH_JOB / "requirements.txt").read_text()
    lines = [line for line in text.replace("\\\n", " ").splitlines() if not line.lstrip().startswith("#")]
    assert len(lines) == 7
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+\s+--hash=sha256:[0-9a-f]{64}", line), line
    assert "://" not in text
    assert "index-url" not in text


def test_the_locked_packages_are_those_the_tests_ran_with() -> None:
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (BATCH_JOB / "requirements.txt").read_text(), re.MULTILINE))
    assert {name: version(name) for name in PACKAGES} == {name: locked[name] for name in PACKAGES}
