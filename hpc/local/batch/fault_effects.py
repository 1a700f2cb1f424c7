"""What a fault switch does to an attempt: the outcome that AWS would tell, and the end of a command in mid-run."""

import signal
import threading
import time

from hpc.local.batch.faults import Fault
from hpc.local.batch.outcome import NOT_STARTED, TASK_EXITED, AttemptOutcome, host_terminated
from hpc.local.batch.process import ProcessResult
from hpc.local.batch.strays import end_processes_with

HANG_COMMAND = ("sleep", "2147483647")
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
_KILLED_EXIT_CODE = 128 + signal.SIGKILL
_BLOCK_BYTES = 512
#: POSIX: -f counts blocks of 512 bytes. With the signal ignored a write fails, as on a full disk.
_SMALL_FILES = """trap '' XFSZ; ulimit -f "$0"; exec "$@\""""


def runs_command(fault: Fault) -> bool:
    """Whether the command is started, whatever becomes of it."""
    return fault.action in (None, "hang") or fault.after_s is not None


def outcome(fault: Fault, image: str) -> AttemptOutcome:
    """How an attempt has ended that its fault ended.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html (reclaimed instances)
    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html
    """
    match fault.action:
        case "reclaim":
            return host_terminated()
        case "out_of_memory":
            return AttemptOutcome(exit_code=_KILLED_EXIT_CODE, reason=OUT_OF_MEMORY, status_reason=TASK_EXITED)
        case "killed":
            return AttemptOutcome(exit_code=_KILLED_EXIT_CODE, status_reason=TASK_EXITED)
        case "cannot_pull_image":
            reason = f'CannotPullContainerError: failed to resolve reference "{image}": fault switch'
            return AttemptOutcome(reason=reason, status_reason=NOT_STARTED)
        case _:
            return AttemptOutcome(exit_code=fault.exit_code, status_reason=TASK_EXITED)


def command(fault: Fault, words: tuple[str, ...]) -> tuple[str, ...]:
    """What runs in the place of a command."""
    if fault.action == "hang":
        words = HANG_COMMAND
    if fault.max_file_bytes is not None:
        words = ("sh", "-c", _SMALL_FILES, str(fault.max_file_bytes // _BLOCK_BYTES), *words)
    return words


class MidRunEnd:
    """Kills a job's processes some seconds after their start, as the loss of their instance would."""

    def __init__(self, fault: Fault, job_id: str, stop: threading.Event) -> None:
        self._after_s = fault.after_s
        self._job_id = job_id
        self._stop = stop
        self._due: float | None = None
        self._is_done = False

    def start(self) -> None:
        """The command has started."""
        if self._after_s is not None:
            self._due = time.monotonic() + self._after_s

    def should_stop(self) -> bool:
        """Whether `run_process` has to end the command, because somebody wants it or nothing else could."""
        if self._stop.is_set():
            return True
        if self._due is None or time.monotonic() < self._due:
            return False
        self._is_done = True
        return end_processes_with("AWS_BATCH_JOB_ID", self._job_id) == 0

    def decided(self, result: ProcessResult) -> bool:
        """Whether this end, and no other one that came first, is how the attempt ended."""
        return self._is_done and not self._stop.is_set() and not result.timed_out and result.exit_code != 0
