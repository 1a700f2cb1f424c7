"""Jobs as the API shows them.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDetail.html
"""

from typing import Any

from hpc.local.batch import resources
from hpc.local.batch.dependencies import N_TO_N, SEQUENTIAL
from hpc.local.batch.model import Attempt, Job
from hpc.local.batch.values import environment_map

Record = dict[str, Any]


def detail(job: Job) -> Record:
    """The job as DescribeJobs shows it, at this moment; for reading only: jobs of one definition share parts of it."""
    return {
        "jobArn": job.arn,
        "jobName": job.name,
        "jobId": job.job_id,
        "jobQueue": job.queue_arn,
        "status": job.status,
        "attempts": [_attempt(attempt) for attempt in job.attempts],
        "createdAt": job.created_at,
        "dependsOn": _depends_on(job),
        "jobDefinition": job.definition["jobDefinitionArn"],
        "parameters": {**job.definition["parameters"], **job.parameters},
        "container": _container(job),
        "tags": dict(job.tags),
        "propagateTags": job.propagate_tags,
        "platformCapabilities": job.definition["platformCapabilities"],
        "isCancelled": job.is_cancelled,
        "isTerminated": job.is_terminated,
        **_present(
            statusReason=job.status_reason,
            startedAt=job.started_at,
            stoppedAt=job.stopped_at,
            retryStrategy=job.retry_strategy,
            timeout=None if job.timeout_s is None else {"attemptDurationSeconds": job.timeout_s},
            arrayProperties=_array_properties(job),
        ),
    }


def summary(job: Job) -> Record:
    """The job as ListJobs shows it."""
    last = job.attempts[-1] if job.attempts else None
    container = _present(exitCode=last.exit_code, reason=last.reason) if last else {}
    return {
        "jobArn": job.arn,
        "jobId": job.job_id,
        "jobName": job.name,
        "createdAt": job.created_at,
        "status": job.status,
        "jobDefinition": job.definition["jobDefinitionArn"],
        "isCancelled": job.is_cancelled,
        "isTerminated": job.is_terminated,
        **_present(
            statusReason=job.status_reason,
            startedAt=job.started_at,
            stoppedAt=job.stopped_at,
            container=container or None,
            arrayProperties=_array_properties(job),
        ),
    }


def event_detail(job: Job) -> Record:
    """The job as the detail of a "Batch Job State Change" event: its tags name the job too.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/batch_job_events.html
    """
    return {**detail(job), "tags": {"resourceArn": job.arn, **job.tags}}


def environment(job: Job) -> dict[str, str]:
    """The definition's environment and over it the submission's."""
    return {**environment_map(job.definition["containerProperties"]["environment"]), **job.environment}


def container_view(job: Job) -> Record:
    """The container of a job and of its children, without an attempt."""
    shown = {
        **job.definition["containerProperties"],
        "environment": [{"name": name, "value": value} for name, value in environment(job).items()],
        "resourceRequirements": resources.requirements(
            job.definition["containerProperties"], {"resourceRequirements": job.resource_requirements}
        ),
        "networkInterfaces": [],
    }
    if job.command:
        shown["command"] = job.command
    for old_field in ("vcpus", "memory"):
        shown.pop(old_field, None)
    return shown


def _container(job: Job) -> Record:
    owner = job.parent or job
    shown = owner.container_view or container_view(owner)
    attempt = job.current or (job.attempts[-1] if job.attempts else None)
    return {**shown, **_attempt_container(attempt)} if attempt else dict(shown)


def _depends_on(job: Job) -> list[Record]:
    """A child depends on single jobs: its counterparts in other array jobs, and the child before it."""
    if job.parent is None or job.index is None:
        return list(job.depends_on)
    shown: list[Record] = []
    for entry in job.parent.depends_on:
        if entry.get("type") == N_TO_N:
            shown.append({"jobId": f"{entry['jobId']}:{job.index}"})
        elif entry.get("type") == SEQUENTIAL and job.index > 0:
            shown.append({"jobId": f"{job.parent.job_id}:{job.index - 1}"})
    return shown


def _array_properties(job: Job) -> Record | None:
    """Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ArrayPropertiesDetail.html"""
    if job.array is not None:
        return {"size": job.array.size, "statusSummary": dict(job.array.counts)}
    return None if job.index is None else {"index": job.index}


def _attempt(attempt: Attempt) -> Record:
    return {
        "container": {**_attempt_container(attempt), "networkInterfaces": []},
        **_present(startedAt=attempt.started_at, stoppedAt=attempt.stopped_at, statusReason=attempt.status_reason),
    }


def _attempt_container(attempt: Attempt) -> Record:
    has_log = attempt.started_at is not None
    return _present(
        taskArn=attempt.task_arn,
        exitCode=attempt.exit_code,
        reason=attempt.reason,
        logStreamName=attempt.log_stream if has_log else None,
    )


def _present(**members: Any) -> Record:
    return {name: value for name, value in members.items() if value is not None}
