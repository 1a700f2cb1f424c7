"""What the commands refuse or fail with, each with its exit code; the message is for a person."""

from __future__ import annotations


class HpcError(Exception):
    """An expected failure; the message says what was found, what was expected and what to do. Exit code 1."""

    exit_code = 1


class WrongInput(HpcError):
    """A flag, a file, an object or a run that cannot be worked with. Exit code 2."""

    exit_code = 2


class PlatformUnreachable(HpcError):
    """No platform answers, or it refuses us. Exit code 3."""

    exit_code = 3
