"""Runs one attempt of a job: image, credentials, scratch folder, environment, process, logs."""

import logging
import os
import re
import secrets
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hpc.local.batch.config import BatchConfig
from hpc.local.batch.faults import Fault, FaultSwitches
from hpc.local.batch.log_lines import LineBatcher, Lines
from hpc.local.batch.ports import BatchPorts
from hpc.local.batch.process import CommandNotStarted, ProcessRequest, ProcessResult, run_process, start_cold
from hpc.local.batch.strays import end_processes_with
from hpc.local.batch.warm import WarmStarter

_LOG = logging.getLogger(__name__)

TASK_EXITED = "Essential container in task exited"
TIMED_OUT = "Job attempt duration exceeded timeout"
NOT_STARTED = "Task failed to start"
#: A user without a home, as in the images; one for each attempt would keep jobs from being forked.
_NO_HOME = "/nonexistent"
_HANG_COMMAND = ("sleep", "2147483647")
_PATH = "/usr/local/bin:/usr/bin:/bin"
_IMAGE_NAME = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class AttemptRequest:
    """One attempt of one job; `environment` is the definition's and over it the submission's."""

    job_id: str
    job_name: str
    attempt: int
    image: str
    command: tuple[str, ...]
    environment: dict[str, str]
    job_role_arn: str | None
    timeout_s: float | None
    queue_name: str
    compute_environment_name: str
    log_group: str
    log_stream: str


@dataclass(frozen=True, kw_only=True)
class AttemptOutcome:
    """How an attempt ended, in AWS's words; `exit_code` is None when no container ran to its end.

    `is_last` means that no retry rule is asked: a timeout and a terminated job are final.
    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html
    """

    exit_code: int | None = None
    reason: str | None = None
    status_reason: str
    is_last: bool = False


class _NotStarted(Exception):
    """The container never ran; the retry rules see why."""

    def __init__(self, reason: str, *, status_reason: str = NOT_STARTED, exit_code: int | None = None) -> None:
        super().__init__(reason)
        self.outcome = AttemptOutcome(exit_code=exit_code, reason=reason, status_reason=status_reason)


class AttemptRunner:
    """Runs attempts, each in the thread of its caller."""

    def __init__(self, config: BatchConfig, ports: BatchPorts) -> None:
        self._config = config
        self._ports = ports
        self._faults = FaultSwitches(config.faults_file)
        self._warm = WarmStarter(config.jobs_dir) if config.warm else None

    def close(self) -> None:
        """Ends what was kept for further attempts; no attempt may run any more."""
        if self._warm is not None:
            self._warm.close()

    def run(self, request: AttemptRequest, *, stop: threading.Event, on_running: Callable[[], None]) -> AttemptOutcome:
        """Runs an attempt to its end; `stop` ends it early. Never raises: every trouble is the attempt's outcome."""
        try:
            return self._run(request, stop, on_running)
        except _NotStarted as error:
            return error.outcome
        except Exception as error:  # noqa: BLE001 (last line of a thread: the job must end, and with the reason)
            _LOG.exception("attempt %s of job %s", request.attempt, request.job_id)
            return AttemptOutcome(reason=f"{type(error).__name__}: {error}", status_reason=NOT_STARTED)

    def _run(self, request: AttemptRequest, stop: threading.Event, on_running: Callable[[], None]) -> AttemptOutcome:
        self._check_image(request.image)
        fault = self._faults.for_attempt(request.job_name)
        log = LineBatcher(lambda lines: self._to_log(request, lines), self._ports.clock)
        if fault.action in ("exit", "reclaim"):
            on_running()
            return _injected(fault, log)
        credentials = self._credentials(request)
        if fault.action == "hang":
            request = replace(request, command=_HANG_COMMAND)
        if fault.timeout_s is not None:
            request = replace(request, timeout_s=fault.timeout_s)
        if stop.is_set():
            raise _NotStarted("The job was stopped before its container was started")
        return self._run_process(request, credentials, log, stop, on_running)

    def _run_process(
        self,
        request: AttemptRequest,
        credentials: dict[str, str],
        log: LineBatcher,
        stop: threading.Event,
        on_running: Callable[[], None],
    ) -> AttemptOutcome:
        self._to_log(request, [])  # the stream is there from the start, as with the awslogs driver
        self._config.scratch_dir.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f"{request.job_id}-{request.attempt}-", dir=self._config.scratch_dir))
        try:
            result = run_process(
                ProcessRequest(
                    command=request.command,
                    environment=self._environment(request, credentials, scratch),
                    folder=scratch,
                    timeout_s=request.timeout_s,
                    kill_grace_s=self._config.kill_grace_s,
                ),
                on_started=on_running,
                on_output=log.feed,
                on_tick=log.flush_if_due,
                should_stop=stop.is_set,
                start=self._warm.for_image(image_folder(request.image)) if self._warm else start_cold,
            )
        except CommandNotStarted as error:
            raise _NotStarted(
                f"CannotStartContainerError: failed to start container process: {error}", exit_code=error.exit_code
            ) from error
        finally:
            log.close()
            end_processes_with("AWS_BATCH_JOB_ID", request.job_id)
            _remove(scratch)
        return _outcome(result)

    def _check_image(self, image: str) -> None:
        folder = image_folder(image)
        if folder is None or not (self._config.jobs_dir / folder).is_dir():
            missing = f"no folder {self._config.jobs_dir.name}/{folder}" if folder else "not an image name"
            raise _NotStarted(f'CannotPullContainerError: failed to resolve reference "{image}": {missing}')

    def _credentials(self, request: AttemptRequest) -> dict[str, str]:
        if not request.job_role_arn:
            # Without a role a job has no credentials; it should not wait for an instance's either.
            return {"AWS_EC2_METADATA_DISABLED": "true"}
        try:
            return self._ports.credentials_for_role(request.job_role_arn, request.job_id)
        except Exception as error:
            raise _NotStarted(
                f"{type(error).__name__}: {error}",
                status_reason=f"ECS was unable to assume the role '{request.job_role_arn}' that was provided for this "
                f"task: {error}",
            ) from error

    def _environment(self, request: AttemptRequest, credentials: dict[str, str], scratch: Path) -> dict[str, str]:
        """A clean environment: nothing of the host's own gets in."""
        return {
            "PATH": f"{self._config.path_prefix}:{_PATH}",
            "PYTHONPATH": str(self._config.jobs_dir),
            "HOME": _NO_HOME,
            "TMPDIR": str(scratch),
            "LANG": "C.UTF-8",
            "AWS_REGION": self._config.region,
            "AWS_DEFAULT_REGION": self._config.region,
            "AWS_ENDPOINT_URL": self._config.endpoint_url,
            **credentials,
            **request.environment,
            "AWS_BATCH_JOB_ID": request.job_id,
            "AWS_BATCH_JOB_ATTEMPT": str(request.attempt),
            "AWS_BATCH_JQ_NAME": request.queue_name,
            "AWS_BATCH_CE_NAME": request.compute_environment_name,
        }

    def _to_log(self, request: AttemptRequest, lines: Lines) -> None:
        try:
            self._ports.log_sink(request.log_group, request.log_stream, lines)
        except Exception:  # noqa: BLE001 (a job does not fail, and its output does not stop, for want of a log)
            _LOG.exception("%d log lines of job %s are lost", len(lines), request.job_id)


def image_folder(image: str) -> str | None:
    """The folder of an image: the last part of its repository's name, without tag and digest; None for no image."""
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return name if _IMAGE_NAME.fullmatch(name) else None


def _outcome(result: ProcessResult) -> AttemptOutcome:
    if result.is_lost:
        return _host_terminated(is_last=result.stopped)
    return AttemptOutcome(
        exit_code=result.exit_code,
        status_reason=TIMED_OUT if result.timed_out else TASK_EXITED,
        is_last=result.timed_out or result.stopped,
    )


def _injected(fault: Fault, log: LineBatcher) -> AttemptOutcome:
    log.feed(f"Fault switch: {fault.action} instead of the command\n".encode())
    log.close()
    if fault.action == "reclaim":
        return _host_terminated()
    return AttemptOutcome(exit_code=fault.exit_code, status_reason=TASK_EXITED)


def _host_terminated(*, is_last: bool = False) -> AttemptOutcome:
    instance = f"i-{secrets.token_hex(9)[:17]}"
    return AttemptOutcome(status_reason=f"Host EC2 (instance {instance}) terminated.", is_last=is_last)


def _remove(folder: Path) -> None:
    """Removes a scratch folder, with what the job made unreadable in it."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        return
    folder.chmod(stat.S_IRWXU)
    for parent, names, _ in os.walk(folder):
        for name in names:
            inner = Path(parent, name)
            if not inner.is_symlink():
                inner.chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        _LOG.warning("the scratch folder %s could not be removed", folder)
