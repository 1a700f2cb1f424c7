"""Jobs, the children of array jobs, and their attempts."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from hpc.local.batch.resources import Resources
from hpc.local.batch.retry import RetryStrategy

SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING = "SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING"
SUCCEEDED, FAILED = "SUCCEEDED", "FAILED"
#: Source: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
STATUSES = (SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING, SUCCEEDED, FAILED)
FINAL = (SUCCEEDED, FAILED)
ARRAY_CHILD_FAILED = "Array Child Job failed"
ACTIVE = tuple(status for status in STATUSES if status not in FINAL)


@dataclass(slots=True)
class Attempt:
    """One try to run a job; times are milliseconds since 1970."""

    task_arn: str
    log_group: str
    log_stream: str
    started_at: int | None = None
    stopped_at: int | None = None
    exit_code: int | None = None
    reason: str | None = None
    status_reason: str | None = None


@dataclass(slots=True, eq=False)
class Array:
    """What makes a job an array job: its children by index (None for one that is forgotten), counted by status."""

    size: int
    children: list["Job | None"] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATUSES, 0))

    @property
    def is_final(self) -> bool:
        return self.counts[SUCCEEDED] + self.counts[FAILED] == self.size


@dataclass(slots=True, eq=False)
class Job:
    """One submitted job; times are milliseconds since 1970, `sequence` is its place in the order of submission.

    `definition` is the shared record of its revision; `command`, `environment` and `resource_requirements` hold only
    what the submission overrides, so that tens of thousands of finished jobs stay small. A child of an array job
    shares all of them with its parent, the place in the order too. None of them is changed once the job is there:
    new tags are a new map.
    """

    job_id: str
    arn: str
    name: str
    sequence: int
    queue_arn: str
    definition: dict[str, Any]
    created_at: int
    command: list[str]
    environment: dict[str, str]
    resource_requirements: list[dict[str, str]]
    parameters: dict[str, str]
    timeout_s: int | None
    retry_strategy: dict[str, Any] | None
    tags: dict[str, str]
    propagate_tags: bool
    #: vCPUs and memory of one attempt.
    asked: Resources
    status: str = SUBMITTED
    status_reason: str | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    #: Finished attempts; `current` is the one that is starting or running.
    attempts: list[Attempt] = field(default_factory=list)
    current: Attempt | None = None
    #: Why somebody wants the job to end; it is not tried again.
    stop_reason: str | None = None
    is_cancelled: bool = False
    is_terminated: bool = False
    depends_on: tuple[dict[str, str], ...] = ()
    #: How many of the jobs that it depends on have not succeeded yet.
    open_dependencies: int = 0
    array: Array | None = None
    parent: "Job | None" = None
    index: int | None = None
    #: The container as the API shows it, without an attempt, while the job is not final; children use their parent's.
    container_view: dict[str, Any] | None = None

    @property
    def order(self) -> tuple[int, int]:
        """First come, first served; children of an array job by index."""
        return self.sequence, self.index or 0

    @property
    def parts(self) -> Iterator["Job"]:
        """What runs when the job runs: the children of an array job, of any other job itself."""
        if self.array is None:
            yield self
        else:
            yield from (child for child in self.array.children if child is not None)

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def retry(self) -> RetryStrategy:
        return RetryStrategy.parse(self.retry_strategy)

    @property
    def label(self) -> str:
        """Its name, of a child of an array job `<name>:<index>`."""
        return self.name if self.index is None else f"{self.name}:{self.index}"


def as_it_is(job: Job) -> Job:
    """A copy of a job that does not change with it; of an array job without the children."""
    return replace(
        job,
        attempts=list(job.attempts),
        current=None if job.current is None else replace(job.current),
        array=None if job.array is None else Array(job.array.size, counts=dict(job.array.counts)),
    )


@dataclass(slots=True, eq=False)
class Placement:
    """Where an attempt runs, and what it takes of the laptop."""

    environment_arn: str
    environment_name: str
    asked: Resources
    taken: Resources


def child_of(parent: Job, index: int) -> Job:
    """A new child of an array job."""
    return Job(
        job_id=f"{parent.job_id}:{index}",
        arn=f"{parent.arn}:{index}",
        sequence=parent.sequence,
        **{name: getattr(parent, name) for name in _SHARED},
        parent=parent,
        index=index,
    )


#: What a child has of its parent.
_SHARED = (
    "name",
    "queue_arn",
    "definition",
    "created_at",
    "command",
    "environment",
    "resource_requirements",
    "parameters",
    "timeout_s",
    "retry_strategy",
    "tags",
    "propagate_tags",
    "asked",
)
