"""Why something waits, or will: every check, in the order in which a person would look.

Budgets are not checked: a run has none yet.
"""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from hpc import job_definitions
from hpc.checks import environments, images, inputs, load, mail, network, quotas, run_jobs, sizes, waiting
from hpc.checks.compute import Queue, distinct, read_queues
from hpc.checks.findings import FOUND, UNKNOWN, Finding, Line, lines_of, merged
from hpc.checks.queue_jobs import QueueJobs, read_queue_jobs
from hpc.checks.sizes import JobSize
from hpc.connection import Connection
from hpc.run import Run
from hpc.stack import Stack
from hpc.tasks import Tasks
from hpc.wording import plural
from hpc.workflows import Workflow


def examine(
    connection: Connection,
    stack: Stack,
    workflows: Iterable[Workflow],
    run: Run | None = None,
    *,
    limit_s: float = math.inf,
) -> list[Line]:
    """Checks a stack with these workflows, or what a run with its parameters needs; never raises for a denied call.

    No check begins after `limit_s`: those that are left are `unknown`.
    """
    return _Examination(connection, stack, list(workflows), run, time.monotonic() + limit_s).lines()


def has_findings(lines: Iterable[Line]) -> bool:
    """Whether anything speaks against a run; what could not be checked does not."""
    return any(line.status == FOUND for line in lines)


class _Examination:
    """One look at a stack: what several checks need is asked for once."""

    def __init__(
        self, connection: Connection, stack: Stack, workflows: list[Workflow], run: Run | None, until: float
    ) -> None:
        self._connection = connection
        self._stack = stack
        self._workflows = workflows
        self._run = run
        self._until = until
        self._architecture = str(run.parameters["architecture"]) if run and "architecture" in run.parameters else None

    def lines(self) -> list[Line]:
        of_run = [*self._run_lines(self._run), *self._input_lines(self._run)] if self._run else []
        return [
            *of_run,
            *self._check(
                "Compute environments",
                lambda: map(environments.find, self._queues),
                well="every queue is enabled and has a compute environment that is",
            ),
            *self._check("Job vCPUs", self._too_many_vcpus, well="every job fits into its compute environments"),
            *self._check("Instances", self._too_large, well="for every job there is an instance type that has room"),
            *self._image_lines(),
            *self._check(
                "Network",
                lambda: map(network.find, network.read_subnets(self._connection, distinct(self._queues))),
                well="every subnet of instances has a way out",
            ),
            *self._check(
                "Quotas", self._quotas, well="the account's quotas allow what the compute environments may ask"
            ),
            *self._check(
                "Waiting jobs",
                lambda: (waiting.find(job) for jobs in self._queue_jobs for job in jobs.blocked),
                well="Batch names no job that cannot start",
            ),
            *self._check("Full queues", self._full, well="no job waits for others to end"),
            *([] if self._run else self._mail_lines()),
        ]

    def _check(
        self, check: str, look: Callable[[], Iterable[Finding | None]], *, well: str | Callable[[], str]
    ) -> list[Line]:
        """What `lines_of` says, as long as there is time."""
        if time.monotonic() > self._until:
            return [Line(check, UNKNOWN, "could not be checked: the other checks took all the time that there was")]
        return lines_of(check, look, well=well)

    def _mail_lines(self) -> list[Line]:
        """Not of a run: an address keeps none from going, and whoever may look at a run need not see who is told."""
        return self._check(
            "Mail",
            lambda: map(mail.find, mail.read_subscriptions(self._connection, self._stack.notification_topic)),
            well="nobody who is subscribed has yet to confirm",
        )

    def _run_lines(self, run: Run) -> list[Line]:
        def look() -> Iterator[Finding | None]:
            if run.status != "SUCCEEDED":
                jobs = run_jobs.read_run_jobs(self._connection, run.run_id, self._queues)
                yield from map(waiting.known, jobs)

        def well() -> str:
            if run.is_final:
                return f"it is over ({run.status}), nothing of it waits"
            (workflow,) = self._workflows
            counts = Tasks(self._connection, self._stack, workflow, run).counts(run)
            done, running = sum(count.succeeded for count in counts), sum(count.running for count in counts)
            return f"it is {run.status}: {plural(done, 'task')} done, {running} running"

        return self._check("Run", look, well=well)

    def _input_lines(self, run: Run) -> list[Line]:
        (workflow,) = self._workflows
        upload = workflow.upload
        if upload is None:
            return []
        bucket, key = str(run.parameters[upload.bucket_parameter]), str(run.parameters[upload.key_parameter])
        return self._check(
            "Input", lambda: [inputs.find(inputs.read_input(self._connection, bucket, key))], well="it can be read"
        )

    def _image_lines(self) -> list[Line]:
        architectures = [self._architecture] if self._architecture else list(self._stack.job_queues)
        well = "every job's image is there, for the processors that it may run on"

        def look_at(job: str, name: str) -> list[Line]:
            return self._check(
                "Images",
                lambda: [images.find(images.read_image(self._connection, job, name), architectures)],
                well=well,
            )

        def definitions() -> Iterator[None]:
            names.update({_image(each): job for _, job, each in self._definitions})
            yield None

        names: dict[str, str] = {}
        lines = self._check("Images", definitions, well=well)
        return merged([*lines, *(line for name, job in names.items() for line in look_at(job, name))])

    def _too_many_vcpus(self) -> Iterator[Finding | None]:
        yield from (_first(sizes.find(size, queue, []) for queue in queues) for size, queues in self._placements())

    def _too_large(self) -> Iterator[Finding | None]:
        instances = sizes.read_instances(self._connection, distinct(self._queues))
        for size, queues in self._placements():
            fitting = [queue for queue in queues if sizes.find(size, queue, []) is None]
            yield _first(sizes.find(size, queue, instances) for queue in fitting)

    def _placements(self) -> Iterator[tuple[JobSize, list[Queue]]]:
        """Every job with the queues of each architecture."""
        for size in self._sizes:
            for architecture in dict.fromkeys(queue.architecture for queue in self._queues):
                yield size, [queue for queue in self._queues if queue.architecture == architecture]

    def _quotas(self) -> Iterator[Finding | None]:
        largest = max((size.vcpus for size in self._sizes), default=0)
        yield from map(quotas.find, quotas.read_quotas(self._connection, distinct(self._queues), largest))

    def _full(self) -> Iterator[Finding | None]:
        machine = os.cpu_count() if self._connection.is_laptop else None
        yield from map(load.find, load.loads(self._queue_jobs, machine_vcpus=machine))

    @functools.cached_property
    def _queues(self) -> list[Queue]:
        return read_queues(self._connection, self._stack, self._architecture)

    @functools.cached_property
    def _queue_jobs(self) -> list[QueueJobs]:
        return [read_queue_jobs(self._connection, queue) for queue in self._queues]

    @functools.cached_property
    def _definitions(self) -> list[tuple[str, str, Mapping[str, Any]]]:
        return [
            (workflow.name, job, definition)
            for workflow in self._workflows
            for job, definition in job_definitions.newest(self._connection, self._stack, workflow).items()
        ]

    @functools.cached_property
    def _sizes(self) -> list[JobSize]:
        return [sizes.size_of(workflow, job, definition) for workflow, job, definition in self._definitions]


def _first(findings: Iterable[Finding | None]) -> Finding | None:
    return next((finding for finding in findings if finding is not None), None)


def _image(definition: Mapping[str, Any]) -> str:
    return str(definition["containerProperties"]["image"])
