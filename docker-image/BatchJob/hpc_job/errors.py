"""How a job fails: the exception decides the exit code, its text is the one line that people read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class JobError(Exception):
    """The job could not finish, and another try may help: exit code 1."""

    exit_code = 1

    def __init__(self, reason: str, *, details: Mapping[str, Any] | None = None) -> None:
        """`details` are further fields of the failure record."""
        super().__init__(reason)
        self.details = dict(details or {})


class InputError(JobError):
    """What the job was given is wrong, and another try cannot help: exit code 2."""

    exit_code = 2


class Terminated(BaseException):
    """SIGTERM came: the run was cancelled, the job timed out or its instance goes away. Exit code 1.

    Not an Exception, so that nothing but clean-up stands between the signal and the end of the process.
    """
