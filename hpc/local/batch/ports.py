"""What the Batch service needs from its host."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class CredentialsForRole(Protocol):
    """Temporary credentials of a job's role as AWS_* environment variables.

    Called once an attempt, in the attempt's thread; whatever it raises fails that attempt with its text as reason.
    They should live as long as the longest attempt.
    """

    def __call__(self, role_arn: str, session_name: str) -> dict[str, str]: ...


class LogSink(Protocol):
    """Takes lines of one log stream, in order: (milliseconds since 1970, text without line end).

    The first call of an attempt may have no lines: then it only opens the stream.

    Called in the attempt's thread; a slow sink slows the job down, as CloudWatch's blocking mode does.
    """

    def __call__(self, group: str, stream: str, lines: Sequence[tuple[int, str]]) -> None: ...


class OnStateChange(Protocol):
    """Takes the `detail` of a "Batch Job State Change" event.

    Called in one thread of its own, one event after the other, never while the service holds its lock.
    Source: https://docs.aws.amazon.com/batch/latest/userguide/batch_job_events.html
    """

    def __call__(self, detail: dict[str, Any]) -> None: ...


class KeepJob(Protocol):
    """Takes a job as JSON data when it is submitted and again when it is final: what a journal needs.

    Called under the service's lock, in the order of the changes; it should be quick. What it raises for a new job
    refuses the job (ServerException), what it raises for a final one is logged. The record of a new array job stands
    for its children too: each child has a record of its own, with the id `<parent's id>:<index>`, when it is final.
    `BatchService.adopt_jobs` takes such records.
    """

    def __call__(self, job: dict[str, Any], /) -> None: ...


def _keep_nothing(_: dict[str, Any]) -> None:
    """For hosts without a journal."""


@dataclass(frozen=True, kw_only=True)
class BatchPorts:
    """Everything from outside; `clock` gives seconds since 1970."""

    credentials_for_role: CredentialsForRole
    log_sink: LogSink
    on_state_change: OnStateChange
    keep_job: KeepJob = _keep_nothing
    clock: Callable[[], float] = time.time
