"""Settings of the Batch service, fixed for its life."""

import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """What the laptop offers to jobs, and where their code, logs and scratch folders are.

    `vcpus` and `memory_mib` are shared by all jobs that run at the same time. A job that asks for more than that takes
    the whole laptop (it runs alone) instead of waiting forever: the same definition that asks for 64 vCPUs on AWS can
    be tried here. Both are counted, not enforced: a process may use more than its job asked for.
    """

    vcpus: int
    memory_mib: int
    region: str
    account: str
    partition: str = "aws"
    #: `docker-image/BatchJob`: PYTHONPATH of every job; each folder in it is an image.
    jobs_dir: Path
    #: First entry of PATH, so that `python` is the platform's.
    path_prefix: Path
    #: Each attempt works in a folder of its own below it, removed when the attempt ends.
    scratch_dir: Path
    #: AWS_ENDPOINT_URL of every job: where it finds the local AWS.
    endpoint_url: str
    #: Fault switches for tests (see `faults`); no file, no faults.
    faults_file: Path | None = None
    #: Seconds between SIGTERM and SIGKILL, as on AWS.
    #: Source: https://docs.aws.amazon.com/batch/latest/userguide/job_timeouts.html
    kill_grace_s: float = 30.0
    #: Jobs are forked from processes that have imported their code; False starts each with an interpreter of its own.
    #: On macOS a fork may crash in the system's libraries.
    #: Source: https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods
    warm: bool = sys.platform == "linux"
    #: Finished jobs beyond these are forgotten, oldest first (AWS keeps them for a time, too).
    max_final_jobs: int = 50_000
    #: Log group of definitions that name none.
    #: Source: https://docs.aws.amazon.com/batch/latest/userguide/using_cloudwatch_logs.html
    log_group: str = "/aws/batch/job"

    def __post_init__(self) -> None:
        if self.vcpus < 1 or self.memory_mib < 1:
            found = f"vcpus={self.vcpus}, memory_mib={self.memory_mib}"
            raise ValueError(f"the laptop's capacity must be at least 1 vCPU and 1 MiB, found {found}")
