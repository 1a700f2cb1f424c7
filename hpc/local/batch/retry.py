"""Which failed attempts are tried again.

Source: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html
"""

import re
from dataclasses import dataclass
from typing import Any

from hpc.local.batch.errors import client_error
from hpc.local.batch.values import integer

_MAX_ATTEMPTS = 10
_MAX_CONDITIONS = 5
_TEXT = re.compile(r"[A-Za-z0-9.:\s]{0,512}\*?")
_PATTERNS = {"onExitCode": re.compile(r"[0-9]{0,512}\*?"), "onReason": _TEXT, "onStatusReason": _TEXT}


@dataclass(frozen=True)
class ExitCondition:
    """One entry of evaluateOnExit: all patterns that it has must match."""

    retries: bool
    exit_code: str | None = None
    reason: str | None = None
    status_reason: str | None = None

    def matches(self, exit_code: int | None, reason: str | None, status_reason: str | None) -> bool:
        """Whether a failed attempt meets the condition; what the attempt does not have counts as an empty text."""
        pairs = (
            (self.exit_code, "" if exit_code is None else str(exit_code)),
            (self.reason, reason or ""),
            (self.status_reason, status_reason or ""),
        )
        return all(pattern is None or _glob_matches(pattern, text) for pattern, text in pairs)


@dataclass(frozen=True)
class RetryStrategy:
    """How often a job is attempted, and which failures end it sooner."""

    attempts: int = 1
    conditions: tuple[ExitCondition, ...] = ()

    @classmethod
    def parse(cls, value: dict[str, Any] | None) -> "RetryStrategy":
        """Reads `retryStrategy`; raises BatchError (ClientException) for what AWS does not take."""
        if not value:
            return cls()
        entries = value.get("evaluateOnExit") or []
        if entries and value.get("attempts") is None:
            raise client_error("retryStrategy.attempts must be given with retryStrategy.evaluateOnExit.")
        attempts = integer(value.get("attempts", 1), "retryStrategy.attempts", minimum=1, maximum=_MAX_ATTEMPTS)
        if len(entries) > _MAX_CONDITIONS:
            raise client_error(
                f"retryStrategy.evaluateOnExit must have at most {_MAX_CONDITIONS} entries, found {len(entries)}."
            )
        return cls(attempts, tuple(_condition(entry) for entry in entries))

    def retries(self, attempts_made: int, exit_code: int | None, reason: str | None, status_reason: str | None) -> bool:
        """Whether another attempt follows a failed one: the first condition that matches decides; without one, yes."""
        if attempts_made >= self.attempts:
            return False
        decisions = (entry.retries for entry in self.conditions if entry.matches(exit_code, reason, status_reason))
        return next(decisions, True)


def _condition(entry: dict[str, Any]) -> ExitCondition:
    action = str(entry.get("action", "")).upper()
    if action not in ("RETRY", "EXIT"):
        raise client_error(f"evaluateOnExit.action must be RETRY or EXIT, found {entry.get('action')!r}.")
    for field, allowed in _PATTERNS.items():
        pattern = entry.get(field)
        if pattern is not None and not allowed.fullmatch(str(pattern)):
            raise client_error(f"evaluateOnExit.{field} should match {allowed.pattern}, found {pattern!r}.")
    return ExitCondition(
        retries=action == "RETRY",
        exit_code=entry.get("onExitCode"),
        reason=entry.get("onReason"),
        status_reason=entry.get("onStatusReason"),
    )


def _glob_matches(pattern: str, text: str) -> bool:
    if pattern.endswith("*"):
        return text.startswith(pattern[:-1])
    return text == pattern
