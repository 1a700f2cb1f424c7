"""Runs one attempt of a job: image, credentials, scratch folder, environment, process, logs."""

import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hpc.local.batch import fault_effects
from hpc.local.batch.config import BatchConfig
from hpc.local.batch.fault_effects import MidRunEnd
from hpc.local.batch.faults import Fault, FaultSwitches
from hpc.local.batch.log_lines import LineBatcher, Lines
from hpc.local.batch.outcome import NOT_STARTED, TASK_EXITED, TIMED_OUT, AttemptOutcome, NotStarted, host_terminated
from hpc.local.batch.ports import BatchPorts
from hpc.local.batch.process import CommandNotStarted, ProcessRequest, ProcessResult, run_process, start_cold
from hpc.local.batch.scratch import ScratchFolders
from hpc.local.batch.strays import end_processes_with, last_process_id
from hpc.local.batch.warm import WarmStarter
from hpc.local.job_code import code_digest

_LOG = logging.getLogger(__name__)

#: A user without a home, as in the images; one for each attempt would keep jobs from being forked.
_NO_HOME = "/nonexistent"
_PATH = "/usr/local/bin:/usr/bin:/bin"
#: As long as an attempt is short, ids of processes have not begun anew since its start.
_SHORT_S = 5.0
_IMAGE_NAME = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class AttemptRequest:
    """One attempt of one job; `environment` is the definition's and over it the submission's."""

    job_id: str
    job_label: str
    attempt: int
    array_index: int | None = None
    image: str
    command: tuple[str, ...]
    environment: dict[str, str]
    job_role_arn: str | None
    timeout_s: float | None
    queue_name: str
    compute_environment_name: str
    log_group: str
    log_stream: str


class AttemptRunner:
    """Runs attempts, each in the thread of its caller."""

    def __init__(self, config: BatchConfig, ports: BatchPorts, faults: FaultSwitches) -> None:
        self._config = config
        self._ports = ports
        self._faults = faults
        self._scratch = ScratchFolders(config.scratch_dir)
        self._warm = WarmStarter(config.jobs_dir) if config.warm else None

    def close(self) -> None:
        """Ends what was kept for further attempts; no attempt may run any more."""
        if self._warm is not None:
            self._warm.close()
        self._scratch.close()

    def run(self, request: AttemptRequest, *, stop: threading.Event, on_running: Callable[[], None]) -> AttemptOutcome:
        """Runs an attempt to its end; `stop` ends it early. Never raises: every trouble is the attempt's outcome."""
        try:
            return self._run(request, stop, on_running)
        except NotStarted as error:
            return error.outcome
        except Exception as error:  # noqa: BLE001 (last line of a thread: the job must end, and with the reason)
            _LOG.exception("attempt %s of job %s", request.attempt, request.job_id)
            return AttemptOutcome(reason=f"{type(error).__name__}: {error}", status_reason=NOT_STARTED)

    def _run(self, request: AttemptRequest, stop: threading.Event, on_running: Callable[[], None]) -> AttemptOutcome:
        self._check_image(request.image)
        fault = self._faults.for_attempt(request.job_label, request.attempt)
        log = self._log(request, fault)
        if not fault_effects.runs_command(fault):
            if fault.action != "cannot_pull_image":
                on_running()
                log.feed(f"Fault switch: {fault.action} instead of the command\n".encode())
                log.close()
            return fault_effects.outcome(fault, request.image)
        return self._run_command(request, fault, log, stop, on_running)

    def _run_command(
        self,
        request: AttemptRequest,
        fault: Fault,
        log: LineBatcher,
        stop: threading.Event,
        on_running: Callable[[], None],
    ) -> AttemptOutcome:
        credentials = self._credentials(request)
        if stop.is_set():
            raise NotStarted("The job was stopped before its container was started")
        mid_run_end = MidRunEnd(fault, request.job_id, stop)
        scratch = self._scratch.take()
        started_at, newest_process = time.monotonic(), last_process_id()

        def on_started() -> None:
            mid_run_end.start()
            on_running()

        try:
            result = run_process(
                ProcessRequest(
                    command=fault_effects.command(fault, request.command),
                    environment=self._environment(request, credentials, scratch),
                    folder=scratch,
                    timeout_s=request.timeout_s if fault.timeout_s is None else fault.timeout_s,
                    kill_grace_s=self._config.kill_grace_s if fault.after_s is None else 0.0,
                ),
                on_started=on_started,
                on_output=log.feed,
                on_tick=log.flush_if_due,
                should_stop=mid_run_end.should_stop,
                start=self._warm.for_image(image_folder(request.image)) if self._warm else start_cold,
            )
        except CommandNotStarted as error:
            raise NotStarted(
                f"CannotStartContainerError: failed to start container process: {error}", exit_code=error.exit_code
            ) from error
        finally:
            log.close()
            is_short = time.monotonic() - started_at < _SHORT_S
            end_processes_with("AWS_BATCH_JOB_ID", request.job_id, newer_than=newest_process if is_short else 0)
            self._scratch.give_back(scratch)
        return fault_effects.outcome(fault, request.image) if mid_run_end.decided(result) else _outcome(result)

    def _check_image(self, image: str) -> None:
        folder = image_folder(image)
        if folder is None or not (self._config.jobs_dir / folder).is_dir():
            missing = f"no folder {self._config.jobs_dir.name}/{folder}" if folder else "not an image name"
            raise NotStarted(f'CannotPullContainerError: failed to resolve reference "{image}": {missing}')

    def _credentials(self, request: AttemptRequest) -> dict[str, str]:
        if not request.job_role_arn:
            # Without a role a job has no credentials; it should not wait for an instance's either.
            return {"AWS_EC2_METADATA_DISABLED": "true"}
        try:
            return self._ports.credentials_for_role(request.job_role_arn, _file_name(request.job_id))
        except Exception as error:
            raise NotStarted(
                f"{type(error).__name__}: {error}",
                status_reason=f"ECS was unable to assume the role '{request.job_role_arn}' that was provided for this "
                f"task: {error}",
            ) from error

    def _environment(self, request: AttemptRequest, credentials: dict[str, str], scratch: Path) -> dict[str, str]:
        """A clean environment: nothing of the host's own gets in.

        IMAGE, which tells in a job's record what code made its output, is the definition's.
        """
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
            **self._image(request),
            "AWS_BATCH_JOB_ID": request.job_id,
            "AWS_BATCH_JOB_ATTEMPT": str(request.attempt),
            **({} if request.array_index is None else {"AWS_BATCH_JOB_ARRAY_INDEX": str(request.array_index)}),
            "AWS_BATCH_JQ_NAME": request.queue_name,
            "AWS_BATCH_CE_NAME": request.compute_environment_name,
        }

    def _image(self, request: AttemptRequest) -> dict[str, str]:
        """A job that is told its image is told here which code that is now: a tag stands for whatever lies on disk."""
        folder = image_folder(request.image)
        if "IMAGE" not in request.environment or folder is None:
            return {}
        return {"IMAGE": f"{request.image}@sha256:{code_digest(self._config.jobs_dir, folder)}"}

    def _log(self, request: AttemptRequest, fault: Fault) -> LineBatcher:
        def to_log(lines: Lines) -> None:
            if fault.loses_log:
                return
            try:
                self._ports.log_sink(request.log_group, request.log_stream, lines)
            except Exception:  # noqa: BLE001 (a job does not fail, and its output does not stop, for want of a log)
                _LOG.exception("%d log lines of job %s are lost", len(lines), request.job_id)

        return LineBatcher(to_log, self._ports.clock)


def _file_name(job_id: str) -> str:
    """A job's id where a colon would end something: in search paths made of TMPDIR, in names of sessions."""
    return job_id.replace(":", "-")


def image_folder(image: str) -> str | None:
    """The folder of an image: the last part of its repository's name, without tag and digest; None for no image."""
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return name if _IMAGE_NAME.fullmatch(name) else None


def _outcome(result: ProcessResult) -> AttemptOutcome:
    if result.is_lost:
        return host_terminated(is_last=result.stopped)
    return AttemptOutcome(
        exit_code=result.exit_code,
        status_reason=TIMED_OUT if result.timed_out else TASK_EXITED,
        is_last=result.timed_out or result.stopped,
    )
