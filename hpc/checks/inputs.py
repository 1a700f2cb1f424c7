"""Cause: the input of a run was moved to an archive, or is gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hpc import objects
from hpc.checks.findings import CannotTell, Finding, of_message
from hpc.connection import Connection
from hpc.errors import AccessDenied, WrongInput


@dataclass(frozen=True)
class Input:
    """An object that a run reads: HeadObject's answer, or why there is none."""

    bucket: str
    key: str
    head: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


def find(seen: Input) -> Finding | None:
    """Why the object cannot be read now."""
    if seen.problem:
        return of_message(seen.problem)
    archived = objects.find_archived(seen.bucket, seen.key, seen.head)
    return None if archived is None else Finding(archived.found, archived.advice)


def read_input(connection: Connection, bucket: str, key: str) -> Input:
    """Asks HeadObject; raises CannotTell where that is denied."""
    try:
        return Input(bucket, key, objects.head_object(connection, bucket, key))
    except AccessDenied as error:
        raise CannotTell(str(error)) from error
    except WrongInput as error:
        return Input(bucket, key, problem=str(error))
