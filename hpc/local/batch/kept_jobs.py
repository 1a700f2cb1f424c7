"""Jobs as JSON data: what a snapshot and the host's journal hold of them, and how they become jobs again.

A child of an array job is written without what it shares with its parent. As long as a child is not final, the parent's
record stands for it: ten thousand children cost one record when they are submitted.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from hpc.local.batch import model, resources
from hpc.local.batch.model import ARRAY_CHILD_FAILED, FAILED, SUCCEEDED, Array, Attempt, Job
from hpc.local.batch.values import copied

_LOG = logging.getLogger(__name__)

PLATFORM_STOPPED = "The platform was stopped"

Record = dict[str, Any]

_OF_EVERY_JOB = (
    "job_id",
    "status",
    "status_reason",
    "started_at",
    "stopped_at",
    "stop_reason",
    "is_cancelled",
    "is_terminated",
)
_OF_A_JOB_ALONE = (
    "arn",
    "name",
    "sequence",
    "queue_arn",
    "created_at",
    "command",
    "environment",
    "resource_requirements",
    "parameters",
    "timeout_s",
    "retry_strategy",
    "tags",
    "propagate_tags",
)


def to_json(job: Job) -> Record:
    """The job as JSON data that shares nothing changeable with it; its definition by ARN, its parent by id."""
    record: Record = {name: getattr(job, name) for name in _OF_EVERY_JOB}
    record["attempts"] = [{name: getattr(attempt, name) for name in Attempt.__slots__} for attempt in job.attempts]
    if job.parent is not None:
        record["parent"], record["index"] = job.parent.job_id, job.index
        if job.tags is not job.parent.tags:
            record["tags"] = dict(job.tags)
        return record
    for name in _OF_A_JOB_ALONE:
        record[name] = copied(getattr(job, name))
    record["depends_on"] = [dict(entry) for entry in job.depends_on]
    record["definition"] = job.definition["jobDefinitionArn"]
    if job.array is not None:
        record["array"] = {"size": job.array.size, "counts": dict(job.array.counts)}
    return record


class JobReader:
    """Makes jobs of records; those that were not final have FAILED, since nothing runs them any more."""

    def __init__(
        self, find_definition: Callable[[str], Record | None], find_job: Callable[[str], Job | None], now_ms: int
    ) -> None:
        self._find_definition = find_definition
        self._find_job = find_job
        self._now_ms = now_ms
        self._jobs: dict[str, Job] = {}
        self._unfinished: set[str] = set()
        self._reopened: dict[str, Job] = {}

    def read(self, records: Iterable[Record]) -> list[Job]:
        """The jobs to take over, each once; of two records of a job the later one counts.

        A record that is not final says nothing new of a job that is known. What lacks its definition or its parent is
        left out with a line in the log.
        """
        latest: dict[str, Record] = {}
        for record in records:
            known = latest.get(record["job_id"])
            if known is None or _is_final(record) or not _is_final(known):
                latest[record["job_id"]] = record
        for record in latest.values():
            if "parent" not in record:
                self._read_alone(record)
        for record in latest.values():
            if "parent" in record:
                self._read_child(record)
        for parent in self._reopened.values():
            self._close(parent)
        return list(self._jobs.values())

    def _read_alone(self, record: Record) -> None:
        definition = self._find_definition(record["definition"])
        known = self._find_job(record["job_id"])
        if definition is None:
            _LOG.warning("job %s is left out: its definition %s is not there", record["job_id"], record["definition"])
            return
        if known is not None and not _is_final(record):
            return
        job = Job(
            **{name: copied(record[name]) for name in _OF_A_JOB_ALONE},
            **_own(record),
            definition=definition,
            asked=resources.of_job(definition, record["resource_requirements"]),
            depends_on=tuple(dict(entry) for entry in record.get("depends_on", ())),
        )
        if "array" in record:
            size = record["array"]["size"]
            job.array = Array(size, counts=dict(record["array"]["counts"]))
            job.array.children = (
                known.array.children if known is not None and known.array is not None else [None] * size
            )
            for child in job.parts:
                child.parent = job
            if not _is_final(record):
                self._unfinished.add(job.job_id)
                self._reopened[job.job_id] = job
        self._take(job)

    def _read_child(self, record: Record) -> None:
        parent = self._jobs.get(record["parent"]) or self._find_job(record["parent"])
        if parent is None or parent.array is None:
            _LOG.warning("job %s is left out: its array job %s is not there", record["job_id"], record["parent"])
            return
        if not _is_final(record) and parent.array.children[record["index"]] is not None:
            return
        child = model.child_of(parent, record["index"])
        for name, value in {**_own(record), "tags": record.get("tags", parent.tags)}.items():
            setattr(child, name, value)
        parent.array.children[record["index"]] = child
        if parent.status_reason == PLATFORM_STOPPED:
            self._reopened[parent.job_id] = parent
        self._take(child)

    def _take(self, job: Job) -> None:
        if not job.is_final:
            job.status, job.status_reason, job.stopped_at = FAILED, PLATFORM_STOPPED, self._now_ms
        self._jobs[job.job_id] = job

    def _close(self, parent: Job) -> None:
        """Children that nobody wrote down have failed with the platform; then the parent is what its children are.

        A parent whose end was written down keeps its counts when some of its children are forgotten.
        """
        array = parent.array
        if array is None or (None in array.children and parent.job_id not in self._unfinished):
            return
        for index, child in enumerate(array.children):
            if child is None:
                missing = model.child_of(parent, index)
                array.children[index] = missing
                self._take(missing)
        array.counts = dict.fromkeys(model.STATUSES, 0)
        for child in parent.parts:
            array.counts[child.status] += 1
        if parent.job_id not in self._jobs:  # its place in the store goes by the status that it has
            parent = replace(parent)
        for child in parent.parts:
            child.parent = parent
        if all(child.status_reason != PLATFORM_STOPPED for child in parent.parts):
            has_failed = array.counts[FAILED] > 0
            parent.status = FAILED if has_failed else SUCCEEDED
            parent.status_reason = ARRAY_CHILD_FAILED if has_failed else None
            parent.stopped_at = max(child.stopped_at or 0 for child in parent.parts)
        self._jobs[parent.job_id] = parent


def _own(record: Record) -> Record:
    """What every record has, as members of a job; a current attempt, if there was one, is lost."""
    return {
        **{name: record[name] for name in _OF_EVERY_JOB},
        "attempts": [Attempt(**attempt) for attempt in record["attempts"]],
    }


def _is_final(record: Record) -> bool:
    return record["status"] in model.FINAL
