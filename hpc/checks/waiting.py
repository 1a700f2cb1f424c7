"""Cause: the first job of a queue waits for something that Batch names, capacity of Spot instances above all."""

from __future__ import annotations

from collections.abc import Callable

from hpc.checks.compute import Queue
from hpc.checks.findings import Finding
from hpc.checks.queue_jobs import WaitingJob

CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
# What a retried job still says of the attempt before: it waits for its next instance.
_OF_LAST_ATTEMPT = "Host EC2"


def find(job: WaitingJob) -> Finding | None:
    """Why the job waits; None for one of which Batch says nothing."""
    if not job.reason or job.reason.startswith(_OF_LAST_ATTEMPT):
        return None
    return known(job) or Finding(
        f"Job {job.name} in the queue {job.queue.name} ({job.queue.label}) waits; Batch says: {job.reason}",
        "look at what Batch names; https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html "
        "explains its reasons",
    )


def known(job: WaitingJob) -> Finding | None:
    """What one of Batch's reasons means; the same words are in the reason of a job that was cancelled for it.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html
    """
    for code, (meaning, fix) in _MEANINGS.items():
        if code in job.reason:
            place = f"the queue {job.queue.name} ({job.queue.label})"
            return Finding(f"Job {job.name} in {place} {meaning(job.queue)}; Batch says: {job.reason}", fix(job.queue))
    return None


def _no_capacity(queue: Queue) -> str:
    kinds = {environment.kind for environment in queue.usable}
    names = {"SPOT": "Spot", "EC2": "on-demand"}
    sold = " and ".join(names.get(kind, kind) for kind in sorted(kinds, reverse=True))
    return f"waits for {sold} capacity, AWS has no instance to give of those that it may run on"


def _more_families(queue: Queue) -> str:
    return (
        "wait: Batch cancels it after the queue's time limit, and the run's next try goes on demand; or name more "
        f"families in the setting {queue.architecture}InstanceFamilies and deploy again, or submit with another "
        "architecture"
    )


def _too_large(_queue: Queue) -> str:
    return "asks for more than any instance has that it may run on"


def _make_it_fit(queue: Queue) -> str:
    return (
        "lower vcpus or memory_mib of the job in workflow.yaml, or raise the settings "
        f"{queue.architecture}MaxVcpus or {queue.architecture}InstanceFamilies, and deploy again"
    )


_MEANINGS: dict[str, tuple[Callable[[Queue], str], Callable[[Queue], str]]] = {
    CAPACITY: (_no_capacity, _more_families),
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE": (_too_large, _make_it_fit),
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT": (_too_large, _make_it_fit),
    "MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED": (
        lambda _: "waits for instances that cannot be started with this launch template",
        lambda _: "deploy again; if somebody changed the launch template or the AMI by hand, take that back",
    ),
    "MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS": (
        lambda _: "waits for instances that Batch's service role may not start",
        lambda _: (
            "give Batch its service-linked role back: aws iam create-service-linked-role "
            "--aws-service-name batch.amazonaws.com"
        ),
    ),
    "CannotPullContainerError": (
        lambda _: "cannot start, since its image cannot be pulled",
        lambda _: (
            "push the image as docker-image/BatchJob/README.md says; when it is there, see whether the instances' "
            "subnets have a way out"
        ),
    ),
}
