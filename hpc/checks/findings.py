"""What a check says: that all is well, what was found, or that it could not look."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from hpc.connection import error_code
from hpc.errors import HpcError

OK, FOUND, UNKNOWN = "ok", "found", "unknown"
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "403"})


@dataclass(frozen=True)
class Finding:
    """Why something waits or will: one sentence, and what to do about it."""

    sentence: str
    fix: str


@dataclass(frozen=True)
class Line:
    """What was checked, how it came out (`ok`, `found` or `unknown`), in one sentence, and what to do."""

    check: str
    status: str
    sentence: str
    fix: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class CannotTell(Exception):
    """AWS answered, but not what the check needs; the message says what was missing."""


# What a call raises that is denied, that is not there, or that cannot be made.
COULD_NOT_LOOK = (ClientError, BotoCoreError, ResponseParserError, CannotTell)


def lines_of(check: str, look: Callable[[], Iterable[Finding | None]], *, well: str | Callable[[], str]) -> list[Line]:
    """A line for each finding of `look`; one that says `well` without any; one that says why it could not look.

    What `look` found before it could not go on stays. `well` may have to ask AWS as well.
    """
    lines: list[Line] = []
    try:
        for finding in look():
            if finding is not None:
                lines.append(Line(check, FOUND, finding.sentence, finding.fix))
        return lines or [Line(check, OK, well if isinstance(well, str) else well())]
    except COULD_NOT_LOOK as error:
        return [*lines, Line(check, UNKNOWN, f"could not be checked: {explained(error)}", _advice(error))]
    except HpcError as error:
        told = of_message(str(error))
        return [*lines, Line(check, FOUND, told.sentence, told.fix)]


def of_message(message: str) -> Finding:
    """An error's message, whose last part says what to do."""
    sentence, _, fix = message.rpartition("; ")
    return Finding(sentence or fix, fix if sentence else "")


def merged(lines: Iterable[Line]) -> list[Line]:
    """The lines of one check of many things: each of what was found and could not be seen once, `ok` only alone."""
    found = list(dict.fromkeys(lines))
    return [line for line in found if line.status != OK] or found[:1]


def explained(error: Exception) -> str:
    """Why a call did not tell, in one line."""
    if not isinstance(error, ClientError):
        return " ".join(str(error).split())
    details = error.response.get("Error", {})
    code, message = str(details.get("Code") or "an error"), " ".join(str(details.get("Message") or "").split())
    return f"{error.operation_name} answered {code}{f': {message}' if message else ' without a message'}"


def _advice(error: Exception) -> str:
    if isinstance(error, ClientError) and error_code(error) in DENIED:
        return f"ask for the permission to call {error.operation_name}"
    return ""
