"""Runs a job: environment in, exit code out, a failure told once on stderr and once in S3."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from hpc_job.environment import Job, read_job
from hpc_job.errors import InputError, JobError, Terminated
from hpc_job.records import write_failure
from hpc_job.s3 import s3_client

Work = Callable[[Job, Mapping[str, str], Any], None]

TERMINATED = (
    "stopped by SIGTERM before it was done (the run was cancelled, the job timed out or its instance was reclaimed)"
)


@dataclass(frozen=True)
class Failure:
    """Why a job failed, in one line; `details` are further fields of its record."""

    exit_code: int
    reason: str
    details: Mapping[str, Any] = field(default_factory=dict)
    by_signal: bool = False


def run(work: Work, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Does the work and returns the exit code: 0 done, 1 worth another try, 2 the input is wrong.

    `work(job, environment, client)` raises JobError or InputError when it cannot finish; whatever else it raises is
    a fault of ours or of a service, and another try may help.
    """
    signal.signal(signal.SIGTERM, terminate)
    try:
        job = read_job(arguments, environment)
    except InputError as error:
        print(error, file=sys.stderr)  # the place of a failure record is not known either
        return error.exit_code
    failure = attempt(work, job, environment)
    if failure is None:
        return 0
    report(failure, job, environment)
    if failure.by_signal:
        # an ordinary exit waits for requests in the background, which may hang beyond the 30 s that Batch gives
        os._exit(failure.exit_code)
    return failure.exit_code


def attempt(work: Work, job: Job, environment: Mapping[str, str]) -> Failure | None:
    """Does the work; None when it is done. A fault that nobody expected leaves its traceback on stderr."""
    try:
        work(job, environment, s3_client(environment))
    except Terminated:
        return Failure(JobError.exit_code, TERMINATED, by_signal=True)
    except JobError as error:
        return Failure(error.exit_code, str(error), error.details)
    except (BotoCoreError, ClientError) as error:
        return Failure(JobError.exit_code, f"a call to AWS failed: {type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 - the boundary of the process: whatever it is gets told and recorded
        traceback.print_exc()
        return Failure(JobError.exit_code, f"unexpected {type(error).__name__}: {error}")
    return None


def report(failure: Failure, job: Job, environment: Mapping[str, str]) -> None:
    """Prints the line and writes the failure record."""
    reason = " ".join(failure.reason.splitlines())
    print(reason, file=sys.stderr, flush=True)
    try:
        write_failure(s3_client(environment), job, failure.exit_code, reason, failure.details)
    except (JobError, BotoCoreError, ClientError) as error:
        print(f"note: the failure record could not be written: {error}", file=sys.stderr, flush=True)


def terminate(signal_number: int, _frame: object) -> None:
    """Ends the work by an exception, so that unfinished uploads are aborted; a second signal changes nothing."""
    signal.signal(signal_number, signal.SIG_IGN)
    raise Terminated
