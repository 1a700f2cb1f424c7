"""How an attempt ends, in AWS's words."""

import secrets
from dataclasses import dataclass

TASK_EXITED = "Essential container in task exited"
TIMED_OUT = "Job attempt duration exceeded timeout"
NOT_STARTED = "Task failed to start"


@dataclass(frozen=True, kw_only=True)
class AttemptOutcome:
    """How an attempt ended; `exit_code` is None when no container ran to its end.

    `is_last` means that no retry rule is asked: a timeout and a terminated job are final.
    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html
    """

    exit_code: int | None = None
    reason: str | None = None
    status_reason: str
    is_last: bool = False


class NotStarted(Exception):
    """The container never ran; the retry rules see why."""

    def __init__(self, reason: str, *, status_reason: str = NOT_STARTED, exit_code: int | None = None) -> None:
        super().__init__(reason)
        self.outcome = AttemptOutcome(exit_code=exit_code, reason=reason, status_reason=status_reason)


def host_terminated(*, is_last: bool = False) -> AttemptOutcome:
    """The attempt's instance is gone, as a reclaimed one is.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
    """
    instance = f"i-{secrets.token_hex(9)[:17]}"
    return AttemptOutcome(status_reason=f"Host EC2 (instance {instance}) terminated.", is_last=is_last)
