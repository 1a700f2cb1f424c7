"""Groups: array jobs whose children are tasks of many shards.

A child knows its shard by its number in a list in S3: child i of a group is the shard in line `offset` + i. When all
shards are to do there is no list: line n would be shard n. A million tasks are a hundred groups, so they are counted by
what Batch sums up of a group, and looked at one by one only where a person asks for one, or where they failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hpc.connection import Connection, find_object
from hpc.jobs import STATUSES, Job, describe_jobs
from hpc.workflows import Workflow

_NO_LIST = ".all"  # how the key of a list that is not written ends


@dataclass(frozen=True)
class Group:
    """An array job; `state` is that of its tasks' step, `counts` how many of its children have which status."""

    job: Job
    state: str
    size: int
    counts: Mapping[str, int]
    list_key: str
    offset: int
    digits: int

    @property
    def running(self) -> int:
        return self.counts.get("RUNNING", 0) + self.counts.get("STARTING", 0)


class Groups:
    """The groups of one run, oldest first, out of its jobs; `bucket` is that of its results."""

    def __init__(
        self, connection: Connection, workflow: Workflow, run_id: str, bucket: str, jobs: Iterable[Job]
    ) -> None:
        self._connection = connection
        self._run_id = run_id
        self._bucket = bucket
        states = {step.group_state: step.state for step in workflow.steps if step.group_state}
        parents = [job for job in jobs if job.state in states]
        described = describe_jobs(connection, parents, run_id) if parents else []
        self.all = [_group(job, states[job.state]) for job in described]

    def newest(self, state: str) -> list[Group]:
        """Those of the latest try that had groups in this step; all groups of a try have one list."""
        groups = [group for group in self.all if group.state == state]
        return [group for group in groups if group.list_key == groups[-1].list_key]

    def shards(self, group: Group) -> Sequence[int]:
        """The number of each child's shard; empty when the list has expired since."""
        if group.list_key.endswith(_NO_LIST):
            return range(group.offset, group.offset + group.size)
        line = group.digits + 1
        span = f"bytes={group.offset * line}-{(group.offset + group.size) * line - 1}"
        found = find_object(self._connection, self._bucket, group.list_key, Range=span)
        return [int(number) for number in found["Body"].read().split()] if found is not None else []

    def children(self, group: Group, statuses: Sequence[str] = STATUSES) -> Iterator[Job]:
        """The children of these statuses as ListJobs tells them, as jobs of their shards."""
        shards = self.shards(group)
        pages = self._connection.client("batch").get_paginator("list_jobs")
        for status in statuses:
            if not shards or not group.counts.get(status, 1):
                continue
            for page in pages.paginate(arrayJobId=group.job.job_id, jobStatus=status):
                for summary in page["jobSummaryList"]:
                    yield _child(group, shards, summary)

    def task(self, state: str, index: int) -> list[Job]:
        """The children that had this shard, with attempts and logs, oldest first."""
        found = []
        for group in self.all:
            shards = self.shards(group) if group.state == state else []
            if index in shards:
                child = _child(group, shards, {"jobId": f"{group.job.job_id}:{shards.index(index)}"})
                found += self.described([child])
        return found

    def described(self, children: Sequence[Job]) -> list[Job]:
        """The same children with attempts and logs; without those that Batch has forgotten since."""
        as_named = {child.job_id: child for child in children}
        return [
            replace(job, state=as_named[job.job_id].state, index=as_named[job.job_id].index)
            for job in describe_jobs(self._connection, children, self._run_id)
        ]


def count(groups: Sequence[Group], state: str) -> Counter[str]:
    """How many children of these groups of a step have which status."""
    total: Counter[str] = Counter()
    for group in groups:
        if group.state == state:
            total.update({"running": group.running, **group.counts})
    return total


def _group(job: Job, state: str) -> Group:
    array = job.detail.get("arrayProperties") or {}
    environment = {each["name"]: each["value"] for each in (job.detail.get("container") or {}).get("environment", [])}
    return Group(
        job=job,
        state=state,
        size=int(array.get("size", 0)),
        counts={status: int(number) for status, number in (array.get("statusSummary") or {}).items()},
        list_key=str(environment.get("SHARD_LIST_KEY", "")),
        offset=int(environment.get("GROUP_OFFSET", 0)),
        digits=int(environment.get("SHARD_DIGITS", 5)),
    )


def _child(group: Group, shards: Sequence[int], summary: Mapping[str, Any]) -> Job:
    number = int(str(summary["jobId"]).rpartition(":")[2])
    status = str(summary.get("status", "SUBMITTED"))
    return Job(
        job_id=summary["jobId"],
        state=group.state,
        index=shards[number],
        status="PENDING" if status == "SUBMITTED" else status,
        created_at=int(summary.get("createdAt", group.job.created_at)),
        status_reason=str(summary.get("statusReason") or ""),
        detail=summary,
    )
