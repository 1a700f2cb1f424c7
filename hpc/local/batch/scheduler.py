"""Decides which job runs when, and takes every job to its end.

Order: queues by priority, highest first; within a queue, and between queues of one priority, first come, first served.
A job that waits for room on the laptop lets nobody pass, so that a large one is not starved by small ones. A job that
waits for its compute environments, or can never run in them, blocks only its own queue.
"""

import heapq
import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from hpc.local.batch import job_views
from hpc.local.batch.arns import Arns
from hpc.local.batch.attempt import AttemptRequest, AttemptRunner
from hpc.local.batch.blocked import MAX_RESOURCE, BlockedJobs
from hpc.local.batch.capacity import Capacity, is_too_large
from hpc.local.batch.compute_environments import ComputeEnvironments
from hpc.local.batch.dependencies import DEPENDENCY_FAILED, Dependencies
from hpc.local.batch.errors import server_error
from hpc.local.batch.events import StateChanges
from hpc.local.batch.faults import FaultsFileError, FaultSwitches, StuckFault
from hpc.local.batch.job_queues import JobQueues
from hpc.local.batch.job_store import JobStore
from hpc.local.batch.kept_jobs import PLATFORM_STOPPED, to_json
from hpc.local.batch.model import (
    ARRAY_CHILD_FAILED,
    FAILED,
    PENDING,
    RUNNABLE,
    RUNNING,
    STARTING,
    SUCCEEDED,
    Attempt,
    Job,
    Placement,
)
from hpc.local.batch.outcome import AttemptOutcome
from hpc.local.batch.submission import command_line

_LOG = logging.getLogger(__name__)

#: How soon a job starts whose fault switch is gone.
_LOOK_AGAIN_S = 0.25


class Scheduler:
    """All changes of jobs go through it; every public method but `stop` wants the service's lock to be held."""

    def __init__(
        self,
        *,
        lock: threading.RLock,
        arns: Arns,
        capacity: Capacity,
        environments: ComputeEnvironments,
        queues: JobQueues,
        store: JobStore,
        runner: AttemptRunner,
        faults: FaultSwitches,
        changes: StateChanges,
        keep_job: Callable[[dict[str, Any]], None],
        default_log_group: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._lock = lock
        self._arns = arns
        self._capacity = capacity
        self._environments = environments
        self._queues = queues
        self._store = store
        self._runner = runner
        self._faults = faults
        self._changes = changes
        self._keep_job = keep_job
        self._dependencies = Dependencies(store)
        self._default_log_group = default_log_group
        self._now_ms = now_ms
        self._waiting: dict[str, list[tuple[int, int, Job]]] = {}
        self._running: dict[str, tuple[threading.Thread, threading.Event]] = {}
        self._blocked = BlockedJobs(lock, self.cancel)
        self._looks_again: threading.Timer | None = None
        self.is_stopping = False

    def submit(self, job: Job) -> None:
        """Takes a new job with its children; what depends on nothing is RUNNABLE at once, an array job PENDING."""
        try:
            self._keep_job(to_json(job))
        except Exception as error:
            _LOG.exception("job %s is refused: it was not written down", job.job_id)
            raise server_error(f"The job could not be written down: {error}") from error
        job.container_view = job_views.container_view(job)
        self._store.add(job)
        lost = self._dependencies.add(job)
        if job.array is not None or job.open_dependencies:
            self._move(job, PENDING)
        for part in job.parts:
            if not part.open_dependencies:
                self._wait_in_queue(part)
            elif part.parent is not None:
                self._move(part, PENDING)
        for waiter in lost:
            self._finish(waiter, FAILED, DEPENDENCY_FAILED)
        self.place()

    def read_dependencies(self, value: Any, array_size: int | None) -> tuple[dict[str, str], ...]:
        """`dependsOn` of a submission, checked."""
        return self._dependencies.read(value, array_size)

    def place(self) -> None:
        """Starts what fits now; called whenever a job, a queue or an environment has changed."""
        while not self.is_stopping and (chosen := self._next()) is not None:
            self._start(*chosen)

    def end(self, job: Job, reason: str) -> None:
        """Ends a job for somebody: one that has not started fails at once, a running one gets SIGTERM."""
        self.end_all([job], reason)
        self.place()

    def end_all(self, jobs: list[Job], reason: str) -> None:
        """Ends jobs as `end` does, and starts none in their place; an array job ends when its last child does."""
        for job in jobs:
            job.stop_reason = job.stop_reason or reason
            for part in job.parts:
                if part.current is not None:
                    part.stop_reason = part.stop_reason or reason
                    self._running[part.job_id][1].set()
                else:
                    self._finish(part, FAILED, reason)

    def cancel(self, job: Job, reason: str) -> None:
        """Ends what has not started of a job; what runs goes on.

        Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_CancelJob.html
        """
        waiting = [part for part in job.parts if not part.is_final and part.current is None]
        for part in waiting:
            part.is_cancelled = True
        if waiting and job.array is not None:
            job.is_cancelled, job.stop_reason = True, reason
        for part in waiting:
            self._finish(part, FAILED, reason)
        self.place()

    def stop(self, timeout_s: float) -> None:
        """Ends all jobs and waits for the running ones; nothing starts any more. The lock must not be held."""
        with self._lock:
            self.is_stopping = True
            self._blocked.close()
            if self._looks_again is not None:
                self._looks_again.cancel()
            threads = [thread for thread, _ in self._running.values()]
            self.end_all([job for job in list(self._store.all()) if not job.is_final], PLATFORM_STOPPED)
        for thread in threads:
            thread.join(timeout_s)
            if thread.is_alive():
                _LOG.error("%s did not end within %s s", thread.name, timeout_s)
        self._runner.close()

    def _wait_in_queue(self, job: Job) -> None:
        job.status_reason = None
        self._move(job, RUNNABLE)
        heapq.heappush(self._waiting.setdefault(job.queue_arn, []), (*job.order, job))

    def _next(self) -> tuple[Job, Placement] | None:
        """The job that starts now and where; None when the one whose turn it is does not fit, or none waits."""
        heads = [job for job in map(self._head, list(self._waiting)) if job is not None]
        heads.sort(key=lambda job: (-int(self._queues.records[job.queue_arn]["priority"]), job.order))
        for job in heads:
            queue = self._queues.records[job.queue_arn]
            environments = [
                self._environments.records[entry["computeEnvironment"]] for entry in queue["computeEnvironmentOrder"]
            ]
            stuck = self._stuck(job)
            if stuck is not None:
                self._blocked.block(job, queue, stuck.reason, stuck.time_limit_s)
                continue
            if is_too_large(job.asked, environments):
                self._blocked.block(job, queue, MAX_RESOURCE)
                continue
            self._blocked.unblock(job)
            placement = self._capacity.place(job.asked, environments)
            if placement is not None:
                return (job, placement) if self._capacity.fits(placement) else None
        return None

    def _stuck(self, job: Job) -> StuckFault | None:
        """The fault switch that keeps a job from starting; as long as there is one, it is looked at again."""
        try:
            stuck = self._faults.for_runnable(job.job_id, job.label)
        except FaultsFileError:
            return None  # its attempt fails with the reason
        if stuck is not None and (self._looks_again is None or not self._looks_again.is_alive()):
            self._looks_again = threading.Timer(_LOOK_AGAIN_S, self._look_again)
            self._looks_again.daemon = True
            self._looks_again.start()
        return stuck

    def _look_again(self) -> None:
        with self._lock:
            self._looks_again = None
            self.place()

    def _head(self, queue_arn: str) -> Job | None:
        waiting = self._waiting[queue_arn]
        while waiting and waiting[0][2].status != RUNNABLE:
            heapq.heappop(waiting)
        if not waiting:
            del self._waiting[queue_arn]
            return None
        return waiting[0][2]

    def _start(self, job: Job, placement: Placement) -> None:
        heapq.heappop(self._waiting[job.queue_arn])
        self._capacity.take(placement)
        job.current = self._new_attempt(job, placement)
        self._move(job, STARTING)
        request = self._request(job, job.current, placement)
        stop = threading.Event()
        thread = threading.Thread(
            target=self._run, args=(job, request, placement, stop), name=f"batch-{job.name}", daemon=True
        )
        self._running[job.job_id] = (thread, stop)
        thread.start()

    def _run(self, job: Job, request: AttemptRequest, placement: Placement, stop: threading.Event) -> None:
        outcome = self._runner.run(request, stop=stop, on_running=lambda: self._mark_running(job))
        with self._lock:
            del self._running[job.job_id]
            self._capacity.give_back(placement)
            self._end_attempt(job, outcome)
            self.place()

    def _mark_running(self, job: Job) -> None:
        with self._lock:
            if job.current is not None:
                job.started_at = job.current.started_at = self._now_ms()
            self._move(job, RUNNING)

    def _end_attempt(self, job: Job, outcome: AttemptOutcome) -> None:
        attempt, job.current = job.current, None
        if attempt is None:
            raise RuntimeError(f"job {job.job_id} has no attempt to end")
        succeeded = outcome.exit_code == 0 and not outcome.is_last
        status_reason = outcome.status_reason if succeeded else job.stop_reason or outcome.status_reason
        attempt.stopped_at = self._now_ms()
        attempt.exit_code, attempt.reason, attempt.status_reason = outcome.exit_code, outcome.reason, status_reason
        job.attempts.append(attempt)
        if succeeded:
            self._finish(job, SUCCEEDED, status_reason)
            return
        is_last = outcome.is_last or job.stop_reason is not None
        if not is_last and job.retry.retries(len(job.attempts), outcome.exit_code, outcome.reason, status_reason):
            self._wait_in_queue(job)
            return
        self._finish(job, FAILED, status_reason)

    def _finish(self, job: Job, status: str, reason: str | None) -> None:
        """Ends a job that nothing runs, and with it what waits for it and the array job whose last child it was.

        One after the other, not one within the other: ten thousand children may wait for each other.
        """
        ending = deque([(job, status, reason)])
        while ending:
            job, status, reason = ending.popleft()
            if job.is_final:
                continue
            if job.array is not None and not job.array.is_final:
                job.stop_reason = job.stop_reason or reason
                ending.extend((child, status, reason) for child in job.parts)
                continue
            job.status_reason, job.stopped_at = reason, self._now_ms()
            self._blocked.forget(job.job_id)
            self._move(job, status)
            job.container_view = None
            self._keep(job)
            ending.extend(self._following(job))

    def _following(self, job: Job) -> Iterator[tuple[Job, str, str | None]]:
        """What ends because a job has ended; what may run now waits in its queue."""
        free, lost = self._dependencies.ended(job)
        for waiter in free:
            self._wait_in_queue(waiter)
        for waiter in lost:
            yield waiter, FAILED, DEPENDENCY_FAILED
        parent = job.parent
        if parent is not None and parent.array is not None and parent.array.is_final:
            has_failed = parent.array.counts[FAILED] > 0
            reason = parent.stop_reason or ARRAY_CHILD_FAILED
            yield (parent, FAILED, reason) if has_failed else (parent, SUCCEEDED, None)

    def _keep(self, job: Job) -> None:
        try:
            self._keep_job(to_json(job))
        except Exception:  # noqa: BLE001 (the job has ended, whether the host can write that down or not)
            _LOG.exception("the end of job %s was not written down", job.job_id)

    def _move(self, job: Job, status: str) -> None:
        self._store.move(job, status)
        self._changes.publish(job)

    def _new_attempt(self, job: Job, placement: Placement) -> Attempt:
        """Source: https://docs.aws.amazon.com/batch/latest/userguide/using_awslogs.html"""
        task_id = secrets.token_hex(16)
        options: dict[str, Any] = job.definition["containerProperties"].get("logConfiguration", {}).get("options") or {}
        prefix = options.get("awslogs-stream-prefix") or job.definition["jobDefinitionName"]
        return Attempt(
            task_arn=self._arns.ecs("task", f"AWSBatch-{placement.environment_name}/{task_id}"),
            log_group=options.get("awslogs-group") or self._default_log_group,
            log_stream=f"{prefix}/default/{task_id}",
        )

    def _request(self, job: Job, attempt: Attempt, placement: Placement) -> AttemptRequest:
        container = job.definition["containerProperties"]
        return AttemptRequest(
            job_id=job.job_id,
            job_label=job.label,
            attempt=len(job.attempts) + 1,
            array_index=job.index,
            image=container["image"],
            command=tuple(command_line(job)),
            environment=job_views.environment(job),
            job_role_arn=container.get("jobRoleArn"),
            timeout_s=job.timeout_s,
            queue_name=self._queues.records[job.queue_arn]["jobQueueName"],
            compute_environment_name=placement.environment_name,
            log_group=attempt.log_group,
            log_stream=attempt.log_stream,
        )
