"""The tasks of a run: one a step, or one a shard; what is expected, held against the jobs that there are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from hpc.connection import Connection, find_object
from hpc.groups import Group, Groups, count
from hpc.jobs import Job, describe_jobs, failure_reason, latest_by_task, list_jobs, log_streams, started_attempts
from hpc.run import Run
from hpc.stack import Stack
from hpc.workflows import Workflow

# Failed tasks whose own words are looked up; the rest has Batch's.
MAX_REASONS_FETCHED = 100
# A record has some 200 bytes a shard.
MAX_SHARDS_READ = 20_000
_FORGOTTEN = "its job is no longer known to Batch"


@dataclass(frozen=True)
class Task:
    """A task; `status` is its latest job's, `attempts` counts those of all its jobs, `log_stream` is the latest."""

    state: str
    index: int
    status: str
    attempts: int = 0
    reason: str | None = None
    job_id: str | None = None
    log_stream: str | None = None

    @property
    def name(self) -> str:
        return f"{self.state}-{self.index}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class StepCount:
    """How far a step is; `total` is None as long as the number of shards is unknown."""

    state: str
    title: str
    total: int | None
    succeeded: int
    failed: int
    running: int


class Tasks:
    """The tasks of one run. `run` must have its parameters."""

    def __init__(self, connection: Connection, stack: Stack, workflow: Workflow, run: Run) -> None:
        self._connection = connection
        self._workflow = workflow
        self._run = run
        self._queues = stack.queues(run.parameters.get("architecture"))
        self._shards: Sequence[Mapping[str, Any]] | None = None
        self._digits: int | None = None

    def jobs(self) -> list[Job]:
        """The run's jobs without attempts and logs, oldest first; a group is one job."""
        return list_jobs(self._connection, self._queues, self._run.run_id)

    def groups(self, jobs: Iterable[Job]) -> Groups:
        """The groups among these jobs."""
        bucket = self._workflow.output_bucket(self._run.parameters)
        found = Groups(self._connection, self._workflow, self._run.run_id, bucket, jobs)
        if found.all:
            self._digits = found.all[-1].digits
        return found

    def all(self) -> list[Task]:
        """Every task in the order of the steps, with its reason; of groups' only `MAX_REASONS_FETCHED` have one."""
        singles, groups = self._current_jobs()
        jobs = describe_jobs(self._connection, singles, self._run.run_id)
        for group in groups.all:
            jobs += groups.children(group)
        failed = [job for job in latest_by_task(jobs).values() if ":" in job.job_id and job.status == "FAILED"]
        known = {job.job_id: job for job in groups.described(failed[:MAX_REASONS_FETCHED])}
        jobs = sorted((known.get(job.job_id, job) for job in jobs), key=lambda job: job.created_at)
        return self._with_own_words(build_tasks(self._workflow, self._run, jobs, self.shard_count()))

    def failures(self) -> list[Task]:
        """The tasks that failed in the end, with their reasons; of groups' at most `MAX_REASONS_FETCHED`."""
        singles, groups = self._current_jobs()
        if not groups.all:
            return [task for task in self.all() if task.status == "FAILED"]
        jobs = describe_jobs(self._connection, singles, self._run.run_id)
        for step in self._workflow.steps:
            if groups.newest(step.state) and not _later_than_groups(singles, groups.newest(step.state)):
                children = (
                    child for group in groups.newest(step.state) for child in groups.children(group, ["FAILED"])
                )
                jobs += groups.described(list(islice(children, MAX_REASONS_FETCHED)))
        latest = latest_by_task(sorted(jobs, key=lambda job: job.created_at))
        found = [_task(self._run, place, job, started_attempts(job)) for place, job in sorted(latest.items())]
        return self._with_own_words([task for task in found if task.status == "FAILED"])

    def counts(self, now: Run) -> list[StepCount]:
        """The tasks of each step by status; cheaper than `all`. `now` is the run as it is now."""
        singles, groups = self._current_jobs()
        return count_steps(self._workflow, now, singles, self.shard_count(), groups)

    def _current_jobs(self) -> tuple[list[Job], Groups]:
        """The jobs that are no groups, and the groups; without those whose work a resume makes anew."""
        jobs = [job for job in self.jobs() if job.created_at >= self._counts_from(job.state)]
        group_states = {step.group_state for step in self._workflow.steps}
        return [job for job in jobs if job.state not in group_states], self.groups(jobs)

    def _counts_from(self, state: str) -> int:
        """Since when jobs of a state count, in milliseconds."""
        step = next((step for step in self._workflow.steps if state in {step.state, step.group_state}), None)
        if step is None:
            return 0
        run = self._run
        text = (run.started_at or run.resumed_at) if step.state in run.redo else run.made_since.get(step.state)
        return int(datetime.fromisoformat(text).timestamp() * 1000) if text else 0

    def shard_count(self) -> int | None:
        """From the split's record; before there is one, from the scan of the uploaded file; else None.

        The record of very many shards is so large that the scan, if there was one, is believed.
        """
        if self._run.shards is not None and self._run.shards > MAX_SHARDS_READ:
            return self._run.shards
        shards = self._recorded_shards()
        return self._run.shards if shards is None else len(shards)

    def _recorded_shards(self) -> Sequence[Mapping[str, Any]] | None:
        if self._shards is None and self._workflow.splitting_state:
            record = self.read_record(f"{self._workflow.splitting_state}.json")
            self._shards = record.get("shards", []) if record is not None else None
        return self._shards

    def read_record(self, name: str) -> dict[str, Any] | None:
        """A record that a job of this run left, None when there is none (or it was archived since)."""
        bucket = self._workflow.output_bucket(self._run.parameters)
        key = f"result/{self._run.project}/records/{self._run.run_id}/{name}"
        found = find_object(self._connection, bucket, key)
        return dict(json.load(found["Body"])) if found is not None else None

    def _with_own_words(self, tasks: list[Task]) -> list[Task]:
        """A job that fails writes down why; that tells more than its exit code."""
        told: dict[str, str] = {}
        failed = [task for task in tasks if task.status == "FAILED"]
        for task in failed[:MAX_REASONS_FETCHED]:
            record = self.read_record(self._failure_record(task))
            if record and record.get("job_id") == task.job_id and record.get("reason"):
                told[task.name] = str(record["reason"])
        return [
            replace(task, reason=f"{told[task.name]} ({task.reason})") if task.name in told else task for task in tasks
        ]

    def _failure_record(self, task: Task) -> str:
        step = self._workflow.step(task.state)
        if step is None or not step.fan_out:
            return f"{task.state}.failed.json"
        if self._digits is not None and self._workflow.upload:
            file = str(self._run.parameters[self._workflow.upload.key_parameter]).rpartition("/")[2]
            return f"{task.state}/{file}_{task.index:0{self._digits}d}.failed.json"
        shards = self._recorded_shards() or []
        return f"{task.state}/{shards[task.index]['name'] if task.index < len(shards) else task.index}.failed.json"


def build_tasks(workflow: Workflow, run: Run, jobs: Sequence[Job], shard_count: int | None) -> list[Task]:
    """The expected tasks in the order of the steps, each with its latest job; and the jobs of steps nobody named."""
    latest = latest_by_task(jobs)
    attempts: Counter[tuple[str, int]] = Counter()
    for job in jobs:
        attempts[job.state, job.index] += started_attempts(job)
    expected = [(step.state, i) for step in workflow.steps for i in range(_tasks_of(step.fan_out, shard_count))]
    # `latest` goes last: with an unknown number of shards it holds tasks that were not expected.
    places = dict.fromkeys([*expected, *sorted(latest)])
    order = {step.state: position for position, step in enumerate(workflow.steps)}
    named = sorted(places, key=lambda place: (order.get(place[0], len(order)), place))
    return [_task(run, place, latest.get(place), attempts[place]) for place in named]


def count_steps(
    workflow: Workflow, run: Run, jobs: Sequence[Job], shard_count: int | None, groups: Groups | None = None
) -> list[StepCount]:
    """The tasks of each step by the status of their latest job; `jobs` are no groups.

    A shard that succeeded is not run again, so successes add up over all groups. What failed or runs is that of the
    latest try, which has either groups or single jobs.
    """
    statuses = Counter((job.state, job.status) for job in latest_by_task(jobs).values())
    counts = []
    for step in workflow.steps:
        total = shard_count if step.fan_out else 1
        succeeded, failed = statuses[step.state, "SUCCEEDED"], statuses[step.state, "FAILED"]
        running = statuses[step.state, "RUNNING"] + statuses[step.state, "STARTING"]
        newest = groups.newest(step.state) if groups else []
        if groups and newest:
            succeeded += count(groups.all, step.state)["SUCCEEDED"]
            if not _later_than_groups(jobs, newest):
                latest = count(newest, step.state)
                failed, running = latest["FAILED"], latest["running"]
        if total is not None:
            succeeded = total if run.status == "SUCCEEDED" else min(succeeded, total)
        counts.append(
            StepCount(
                state=step.state, title=step.title, total=total, succeeded=succeeded, failed=failed, running=running
            )
        )
    return counts


def _later_than_groups(singles: Iterable[Job], groups: Sequence[Group]) -> bool:
    """Whether a later try of the groups' step ran its shards as single jobs."""
    last = max(group.job.created_at for group in groups)
    return any(job.state == groups[0].state and job.created_at > last for job in singles)


def _tasks_of(fan_out: bool, shard_count: int | None) -> int:
    return (shard_count or 0) if fan_out else 1


def _task(run: Run, place: tuple[str, int], job: Job | None, attempts: int) -> Task:
    state, index = place
    if job is None:
        # Batch forgets ended jobs; a run only succeeds when each of its tasks did.
        if run.status == "SUCCEEDED":
            return Task(state=state, index=index, status="SUCCEEDED", reason=_FORGOTTEN)
        return Task(state=state, index=index, status="PENDING")
    streams = log_streams(job)
    return Task(
        state=state,
        index=index,
        status=job.status,
        attempts=attempts,
        reason=failure_reason(job) or None,
        job_id=job.job_id,
        log_stream=streams[-1][1] if streams else None,
    )
