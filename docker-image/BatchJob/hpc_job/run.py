"""Runs a job: environment in, exit code out, a failure told once on stderr and once in S3."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from hpc_job.environment import Job, read_job
from hpc_job.errors import JobError, Terminated
from hpc_job.group import is_member, member_shard, read_member
from hpc_job.records import write_failure
from hpc_job.s3 import s3_client

Work = Callable[[Job, Mapping[str, str], Any], None]
Outcome = TypeVar("Outcome")

TERMINATED = (
    "stopped by SIGTERM before it was done (the run was cancelled, the job timed out or its instance was reclaimed)"
)


@dataclass(frozen=True)
class Failure:
    """Why a job failed; `details` are further fields of its record."""

    exit_code: int
    reason: str
    details: Mapping[str, Any] = field(default_factory=dict)
    by_signal: bool = False

    @property
    def line(self) -> str:
        """The reason in one line."""
        return " ".join(self.reason.splitlines())


def run(work: Work, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Does the work and returns the exit code: 0 done, 1 worth another try, 2 the input is wrong.

    `work(job, environment, client)` raises JobError or InputError when it cannot finish; whatever else it raises is
    a fault of ours or of a service, and another try may help.
    """
    signal.signal(signal.SIGTERM, terminate)
    connect = cache(lambda: s3_client(environment))
    job = attempt(lambda: identify(arguments, environment, connect))
    if isinstance(job, Failure):
        tell(job)  # the place of its record is not known
        return ended(job)
    failure = attempt(lambda: work(job, environment, connect()))
    if failure is None:
        return 0
    tell(failure)
    record(failure, job, environment)
    return ended(failure)


def identify(arguments: Sequence[str], environment: Mapping[str, str], connect: Callable[[], Any]) -> Job:
    """Which job this is; for a child of an array job a list in S3 may say which shard it does."""
    job = read_job(arguments, environment)
    if not is_member(environment):
        return job
    member = read_member(environment)
    return replace(job, shard=member_shard(connect, job.output_bucket, member))


def attempt(step: Callable[[], Outcome]) -> Outcome | Failure:
    """What the step returns, or why it failed. A fault that nobody expected leaves its traceback on stderr."""
    try:
        return step()
    except Terminated:
        return Failure(JobError.exit_code, TERMINATED, by_signal=True)
    except JobError as error:
        return Failure(error.exit_code, str(error), error.details)
    except (BotoCoreError, ClientError) as error:
        return Failure(JobError.exit_code, f"a call to AWS failed: {type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 - the boundary of the process: whatever it is gets told and recorded
        traceback.print_exc()
        return Failure(JobError.exit_code, f"unexpected {type(error).__name__}: {error}")


def tell(failure: Failure) -> None:
    """Prints the line that people read."""
    print(failure.line, file=sys.stderr, flush=True)


def record(failure: Failure, job: Job, environment: Mapping[str, str]) -> None:
    """Writes the failure record; says so when it cannot be written."""
    try:
        write_failure(s3_client(environment), job, failure.exit_code, failure.line, failure.details)
    except (JobError, BotoCoreError, ClientError) as error:
        print(f"note: the failure record could not be written: {error}", file=sys.stderr, flush=True)


def ended(failure: Failure) -> int:
    """The exit code; after a signal the process ends here."""
    if failure.by_signal:
        # an ordinary exit waits for requests in the background, which may hang beyond the 30 s that Batch gives
        os._exit(failure.exit_code)
    return failure.exit_code


def terminate(signal_number: int, _frame: object) -> None:
    """Ends the work by an exception, so that unfinished uploads are aborted; a second signal changes nothing."""
    signal.signal(signal_number, signal.SIG_IGN)
    raise Terminated
