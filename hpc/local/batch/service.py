"""The Batch service: takes API calls, answers in the shapes of the API, and waits for jobs."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from hpc.local.batch import job_views, model
from hpc.local.batch.arns import Arns
from hpc.local.batch.attempt import AttemptRunner
from hpc.local.batch.capacity import Capacity
from hpc.local.batch.compute_environments import ComputeEnvironments
from hpc.local.batch.config import BatchConfig
from hpc.local.batch.errors import JobWaitCancelled, JobWaitTimeout, client_error, server_error, throttled, unsupported
from hpc.local.batch.events import StateChanges
from hpc.local.batch.faults import FaultsFileError, FaultSwitches
from hpc.local.batch.job_definitions import JobDefinitions
from hpc.local.batch.job_queues import JobQueues
from hpc.local.batch.job_store import JobStore
from hpc.local.batch.kept_jobs import JobReader, to_json
from hpc.local.batch.listing import list_jobs
from hpc.local.batch.ports import BatchPorts
from hpc.local.batch.scheduler import Scheduler
from hpc.local.batch.submission import array_size, check_request, new_job
from hpc.local.batch.tagging import Tagging
from hpc.local.batch.values import copied, required_text

Record = dict[str, Any]

_MAX_DESCRIBED = 100
_MAX_REASON = 1024
_POLL_S = 0.25


class BatchService:
    """AWS Batch for one account and region. Safe to call from many threads; no call waits for a job but `wait`."""

    def __init__(self, config: BatchConfig, ports: BatchPorts) -> None:
        self._config = config
        self._clock = ports.clock
        self._lock = threading.RLock()
        self._arns = Arns.of(config)
        self.environments = ComputeEnvironments(self._arns)
        self.queues = JobQueues(self._arns, self.environments)
        self.definitions = JobDefinitions(self._arns)
        self._store = JobStore(config.max_final_jobs)
        self._tagging = Tagging(self.environments, self.queues, self.definitions, self._store)
        #: The fault switches; the host asks them for the calls of other services.
        self.faults = FaultSwitches(config.faults_file)
        self._runner = AttemptRunner(config, ports, self.faults)
        self._changes = StateChanges(ports.on_state_change, self.faults)
        self._scheduler = Scheduler(
            lock=self._lock,
            arns=self._arns,
            capacity=Capacity(config.vcpus, config.memory_mib),
            environments=self.environments,
            queues=self.queues,
            store=self._store,
            runner=self._runner,
            faults=self.faults,
            changes=self._changes,
            keep_job=ports.keep_job,
            default_log_group=config.log_group,
            now_ms=self._now_ms,
        )
        self._actions: dict[str, Callable[[Record], Record]] = {
            "CreateComputeEnvironment": self.environments.create,
            "UpdateComputeEnvironment": self.environments.update,
            "DescribeComputeEnvironments": self.environments.describe,
            "DeleteComputeEnvironment": self._delete_compute_environment,
            "CreateJobQueue": self.queues.create,
            "UpdateJobQueue": self.queues.update,
            "DescribeJobQueues": self.queues.describe,
            "DeleteJobQueue": self._delete_job_queue,
            "RegisterJobDefinition": self.definitions.register,
            "DescribeJobDefinitions": self.definitions.describe,
            "DeregisterJobDefinition": self.definitions.deregister,
            "SubmitJob": self._submit_job,
            "DescribeJobs": self._describe_jobs,
            "ListJobs": lambda request: list_jobs(request, self.queues, self._store),
            "CancelJob": self._cancel_job,
            "TerminateJob": self._terminate_job,
            "TagResource": self._tagging.tag,
            "UntagResource": self._tagging.untag,
            "ListTagsForResource": self._tagging.list_tags,
        }

    @property
    def actions(self) -> tuple[str, ...]:
        """Names of the API actions that are there."""
        return tuple(self._actions)

    def handle(self, action: str, request: Record) -> Record:
        """Answers one API call; request and answer have the members of the API's JSON. Raises BatchError."""
        perform = self._actions.get(action)
        if perform is None:
            raise unsupported(action)
        self._suffer_faults(action)
        with self._lock:
            answer = perform(request)
            if action in ("UpdateComputeEnvironment", "UpdateJobQueue"):
                self._scheduler.place()
            return answer

    def wait(
        self,
        job_id: str,
        timeout_s: float | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Record:
        """Waits until a job is final and returns it as DescribeJobs shows it.

        Asks `cancelled` about four times a second; when it says so, or after `timeout_s` seconds, terminates the job
        without waiting for its end and raises JobWaitCancelled or JobWaitTimeout. Raises BatchError for an unknown job.
        """
        with self._lock:
            job = self._store.get(job_id)
            if job is None:
                raise client_error(f"Job {job_id} not found.")
            finished = self._store.finished(job)
        give_up_at = None if timeout_s is None else time.monotonic() + timeout_s
        while not finished.wait(_POLL_S):
            if cancelled():
                self._terminate(job, "The execution that waits for the job was stopped")
                raise JobWaitCancelled(job_id)
            if give_up_at is not None and time.monotonic() >= give_up_at:
                self._terminate(job, f"The state that waits for the job timed out after {timeout_s:g} s")
                raise JobWaitTimeout(job_id)
        with self._lock:
            return job_views.detail(job)

    def stop(self) -> None:
        """Ends all jobs and the service's threads; Describe* and `snapshot` still answer, SubmitJob refuses."""
        self._scheduler.stop(self._config.kill_grace_s + 10)
        self._changes.close(timeout_s=10)
        self._runner.close()

    def snapshot(self) -> Record:
        """Everything that a later service needs to go on, as JSON data."""
        with self._lock:
            return {
                "compute_environments": copied(self.environments.records),
                "job_queues": copied(self.queues.records),
                "job_definitions": copied(self.definitions.revisions),
                "jobs": [to_json(part) for job in self._store.all() for part in _with_children(job)],
            }

    def restore(self, data: Record) -> None:
        """Takes over a snapshot, once, before the first call. Jobs that were not final in it have FAILED.

        Raises ValueError for a snapshot that does not hold together.
        """
        with self._lock:
            kept = copied(data)
            self.environments.records.update(kept["compute_environments"])
            self.queues.records.update(kept["job_queues"])
            self.definitions.revisions.update(kept["job_definitions"])
            for entry in kept["jobs"]:
                if "definition" in entry and self.definitions.find(entry["definition"]) is None:
                    raise ValueError(f"the snapshot has job {entry['job_id']} without its definition")
            self.adopt_jobs(kept["jobs"])

    def adopt_jobs(self, jobs: Iterable[Record]) -> None:
        """Takes over what `BatchPorts.keep_job` was given by an earlier service, before the first call.

        Adds to the jobs of a snapshot or replaces them by id; of two records of a job the later one counts, and one
        that is not final says nothing new of a job that is known. Jobs that were not final have FAILED; a job whose
        definition is not there is left out with a line in the log. Tells nobody: neither `keep_job` nor
        `on_state_change` is called.
        """
        with self._lock:
            reader = JobReader(self.definitions.find, self._store.get, self._now_ms())
            # The oldest first, children before their array job: the first to be forgotten.
            found = sorted(reader.read(jobs), key=lambda job: (job.stopped_at or 0, job.array is not None))
            for job in found:
                self._store.add(job)

    def _suffer_faults(self, action: str) -> None:
        """What a fault switch does to an API call before anything is done; the lock must not be held."""
        try:
            fault = self.faults.for_call(action)
        except FaultsFileError:
            return  # the next attempt fails with the reason
        if fault.delay_s:
            time.sleep(fault.delay_s)
        if fault.is_throttled:
            raise throttled()

    def _submit_job(self, request: Record) -> Record:
        check_request(request)
        if self._scheduler.is_stopping:
            raise server_error("The platform is stopping.")
        queue = self.queues.for_submission(required_text(request, "jobQueue"))
        job = new_job(
            request,
            definition=self.definitions.for_submission(required_text(request, "jobDefinition")),
            queue_arn=queue["jobQueueArn"],
            arns=self._arns,
            sequence=self._store.next_sequence(),
            created_at=self._now_ms(),
            depends_on=self._scheduler.read_dependencies(request.get("dependsOn"), array_size(request)),
        )
        self._scheduler.submit(job)
        return {"jobArn": job.arn, "jobName": job.name, "jobId": job.job_id}

    def _describe_jobs(self, request: Record) -> Record:
        job_ids = request.get("jobs") or []
        if len(job_ids) > _MAX_DESCRIBED:
            raise client_error(f"jobs must be at most {_MAX_DESCRIBED}, found {len(job_ids)}.")
        prefix = self._arns.batch("job", "")
        jobs = (self._store.get(str(job_id).removeprefix(prefix)) for job_id in job_ids)
        return {"jobs": [job_views.detail(job) for job in jobs if job is not None]}

    def _cancel_job(self, request: Record) -> Record:
        """A job that has started goes on, and the call succeeds; so it does for a job that nobody knows."""
        job, reason = self._job_and_reason(request)
        if job is not None:
            self._scheduler.cancel(job, reason)
        return {}

    def _terminate_job(self, request: Record) -> Record:
        """Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJob.html"""
        job, reason = self._job_and_reason(request)
        if job is not None:
            self._terminate(job, reason)
        return {}

    def _job_and_reason(self, request: Record) -> tuple[model.Job | None, str]:
        job_id, reason = required_text(request, "jobId"), required_text(request, "reason")
        if len(reason) > _MAX_REASON:
            raise client_error(f"reason must have at most {_MAX_REASON} characters, found {len(reason)}.")
        return self._store.get(job_id), reason

    def _terminate(self, job: model.Job, reason: str) -> None:
        with self._lock:
            if job.is_final:
                return
            for part in _with_children(job):
                part.is_terminated = part.is_terminated or not part.is_final
            self._scheduler.end(job, reason)

    def _delete_compute_environment(self, request: Record) -> Record:
        reference = required_text(request, "computeEnvironment")
        return self.environments.delete(reference, in_use=self.queues.uses(self.environments.arn(reference)))

    def _delete_job_queue(self, request: Record) -> Record:
        """Its jobs are terminated, as AWS documents; those that run end after the queue."""
        arn = self.queues.check_deletable(required_text(request, "jobQueue"))
        if arn is not None:
            self._scheduler.end_all(list(self._store.in_queue(arn, model.ACTIVE)), "The job queue was deleted")
            del self.queues.records[arn]
        return {}

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _with_children(job: model.Job) -> list[model.Job]:
    """The job and, if it is an array job, its children after it."""
    return [job] if job.array is None else [job, *job.parts]
