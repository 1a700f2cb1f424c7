"""Reads workflow folders, for the command line."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from hpc.errors import WrongInput
from hpc.wording import quoted
from hpc.workflows import Workflow, parse

PREFERRED = "string_processing"


def workflows_dir() -> Path:
    """The folder of all workflows, beside this package."""
    return Path(__file__).resolve().parents[1] / "workflows"


def names() -> list[str]:
    """The workflows that there are, sorted."""
    return sorted(file.parent.name for file in workflows_dir().glob("*/workflow.yaml"))


def default_name() -> str | None:
    """The workflow that is meant when none is named: the only one, or the shipped demo."""
    found = names()
    if len(found) == 1:
        return found[0]
    return PREFERRED if PREFERRED in found else None


def load(name: str) -> Workflow:
    """The workflow of that name; raises WrongInput when there is none or its folder is not well formed."""
    if name not in names():
        raise WrongInput(f"--workflow: found {quoted(name)}; expected one of: {', '.join(names()) or '(none)'}")
    return _read(workflows_dir() / name / "workflow.yaml")


@functools.cache
def _read(file: Path) -> Workflow:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        jsonschema.validate(content, _folder_schema(file.parents[1] / "schema.json"))
        return parse(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise WrongInput(f"{file} cannot be read: {error}; expected YAML in UTF-8") from error
    except jsonschema.ValidationError as error:
        place = "/".join(str(part) for part in error.absolute_path) or "its top level"
        raise WrongInput(f"{file}: {place}: {error.message}; workflows/schema.json says what is allowed") from error


@functools.cache
def _folder_schema(file: Path) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema
