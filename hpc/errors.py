"""What is refused or fails, with the exit code of the command; the message is for a person.

The API tells the same, by the class of the error and by the field that it is about.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class HpcError(Exception):
    """An expected failure; the message says what was found, what was expected and what to do. Exit code 1."""

    exit_code = 1


class WrongInput(HpcError):
    """A flag, a file, an object or a run that cannot be worked with. Exit code 2.

    `field` is the parameter, or the header of the API, that is meant; None where it is neither.
    """

    exit_code = 2

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class Refusal:
    """Why one field is refused: a parameter, or a part of a call of the API.

    `label` is what the command line calls it, empty where that is the field's name.
    """

    field: str
    detail: str
    label: str = ""


class WrongParameters(WrongInput):
    """Parameters that are missing, unknown or not allowed; the message has a line for each."""

    def __init__(self, refusals: Iterable[Refusal]) -> None:
        self.refusals = tuple(refusals)
        super().__init__("\n".join(f"{refusal.label or refusal.field}: {refusal.detail}" for refusal in self.refusals))


class AccessDenied(WrongInput):
    """An object that these credentials may not look at; it may not be there either."""


class NotFound(WrongInput):
    """A run, a workflow or a task that is not there."""


class Conflict(WrongInput):
    """What is asked for may not be done now: a run or a project is in another state."""


class NotSucceeded(HpcError):
    """A run that ended without the results that are asked for. Exit code 1."""


class PlatformUnreachable(HpcError):
    """No platform answers, it refuses us, or it could not run what is asked for. Exit code 3."""

    exit_code = 3
