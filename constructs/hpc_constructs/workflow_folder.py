"""Reads workflow folders: definition.asl.json and workflow.yaml, checked. Imports no CDK."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from hpc_constructs.key_patterns import ObjectAccess
from hpc_constructs.workflow_checks import WorkflowFolderError, contradictions, explain
from hpc_constructs.workflow_parts import Function, Job, WorkflowFolder


def read_workflow_folders(directory: Path, *, schema: Path, functions: Path) -> tuple[WorkflowFolder, ...]:
    """All workflows of a directory, by name; `schema` says what a workflow.yaml is, `functions` holds their code.

    Raises `WorkflowFolderError` for the first one that cannot be used.
    """
    validator = Draft202012Validator(json.loads(schema.read_text("utf-8")))
    folders = sorted(path.parent for path in directory.glob("*/workflow.yaml"))
    if not folders:
        raise WorkflowFolderError(f"{directory}: found no workflow; expected a folder with a workflow.yaml")
    return tuple(_read(folder, validator, functions) for folder in folders)


def _read(folder: Path, validator: Draft202012Validator, functions: Path) -> WorkflowFolder:
    described = folder / "workflow.yaml"
    defined = folder / "definition.asl.json"
    try:
        raw = yaml.safe_load(described.read_text("utf-8"))
        definition = json.loads(defined.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise WorkflowFolderError(f"{described}: is not YAML: {' '.join(str(error).split())}") from None
    except (OSError, json.JSONDecodeError) as error:
        raise WorkflowFolderError(f"{defined}: {error}; expected a state machine in JSON") from None
    violation = best_match(validator.iter_errors(raw))
    if violation is not None:
        raise WorkflowFolderError(f"{described}: {explain(violation)}")
    for problem in contradictions(raw, definition, folder.name):
        raise WorkflowFolderError(f"{described}: {problem}")
    return WorkflowFolder(
        name=raw["name"],
        definition=definition,
        archived_prefixes=tuple(raw["storage"]["archived"]),
        intermediate_tag=next(iter(raw["storage"].get("intermediate_tag", {}).items()), None),
        jobs=tuple(_job(name, job) for name, job in raw["jobs"].items()),
        functions=tuple(_function(name, part, functions) for name, part in raw.get("functions", {}).items()),
        machine_accesses=tuple(_accesses(raw.get("machine", {}))),
        described=raw,
    )


def _job(name: str, raw: dict[str, Any]) -> Job:
    return Job(image=raw["image"], command=tuple(raw["command"]), vcpus=raw["vcpus"], **_part(name, raw))


def _function(name: str, raw: dict[str, Any], directory: Path) -> Function:
    module = directory / name / f"{name}.py"
    if not module.is_file():
        raise WorkflowFolderError(f"{module}: found no such file; expected the code of function {name}")
    return Function(code=module.parent, makes_task_rows=raw.get("task_rows", False), **_part(name, raw))


def _part(name: str, raw: dict[str, Any]) -> dict[str, Any]:
    sizes = {key: raw[key] for key in ("memory_mib", "timeout_s")}
    return {"name": name, "accesses": tuple(_accesses(raw)), **sizes}


def _accesses(raw: dict[str, Any]) -> Iterable[ObjectAccess]:
    for read in raw.get("reads", []):
        yield ObjectAccess(**{"gets": True, **read})
    for write in raw.get("writes", []):
        yield ObjectAccess(puts=True, **write)
