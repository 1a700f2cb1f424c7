"""A run's logs, read through CloudWatch Logs: those of its jobs, and those of the functions between them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from hpc.connection import Connection, error_code
from hpc.errors import NotFound
from hpc.jobs import Job, describe_jobs, list_jobs, log_streams
from hpc.run import Run, as_text
from hpc.stack import Stack
from hpc.tasks import Tasks
from hpc.wording import plural, quoted
from hpc.workflows import Workflow

# Tasks of groups whose logs are shown where nobody named one.
MAX_FAILED_OF_GROUPS = 100
# Only these digits are in a job's name; Python refuses to convert very long numbers.
_NUMBER = re.compile(r"[0-9]{1,30}")


@dataclass(frozen=True)
class Log:
    """One attempt's log; `lines` are fetched while one reads them."""

    heading: str
    lines: Iterator[str]


@dataclass(frozen=True)
class LogLine:
    """A line and when it was written, in ISO 8601."""

    time: str
    text: str


@dataclass(frozen=True)
class Tail:
    """The last lines of a log, in their order; `truncated` when there are more before them."""

    lines: tuple[LogLine, ...]
    truncated: bool


class Logs:
    """The logs of one run. `run` must have its parameters."""

    def __init__(self, connection: Connection, stack: Stack, workflow: Workflow, run: Run) -> None:
        self._connection = connection
        self._stack = stack
        self._workflow = workflow
        self._run = run

    def read(self, task: str | None) -> Iterator[Log]:
        """The logs of a task (`String_Repeat-3`), of all tasks of a step (`String_Split`), of a function's state
        (`Job_Map`), or of everything; raises NotFound for a task that the run cannot have.
        """
        state, index = self._parse(task) if task else (None, None)
        function_states = {name: function for function, states in self._workflow.functions.items() for name in states}
        if state is None or state not in function_states:
            yield from self._of_jobs(state, index)
        for name in function_states:
            if state in {None, name}:
                yield from self._of_function(name)

    def tail(self, state: str, index: int, limit: int) -> Tail:
        """The last `limit` lines of the task's attempts together; raises NotFound when it has no job."""
        run_id, queues = self._run.run_id, self._stack.queues(self._run.parameters.get("architecture"))
        step = self._workflow.step(state)
        jobs = list_jobs(self._connection, queues, run_id, f"{state}-{index}")
        found = describe_jobs(self._connection, jobs, run_id)
        if step and step.group_state:
            groups = list_jobs(self._connection, queues, run_id, f"{step.group_state}-*")
            found += Tasks(self._connection, self._stack, self._workflow, self._run).groups(groups).task(state, index)
        if not found:
            raise self._no_job(f"{state}-{index}")
        streams = [stream for job in sorted(found, key=lambda job: job.created_at) for stream in log_streams(job)]
        lines: list[LogLine] = []
        for group, stream in reversed(streams):
            # One more than is wanted tells that there are more.
            lines = [*self._last_lines(group, stream, limit + 1 - len(lines)), *lines]
            if len(lines) > limit:
                break
        return Tail(tuple(lines[-limit:]), truncated=len(lines) > limit)

    def _last_lines(self, group: str, stream: str, limit: int) -> list[LogLine]:
        request: dict[str, Any] = {"logGroupName": group, "logStreamName": stream, "startFromHead": False}
        events: list[Mapping[str, Any]] = []
        while len(events) < limit:
            try:
                page = self._connection.client("logs").get_log_events(**request, limit=limit - len(events))
            except ClientError as error:
                if error_code(error) != "ResourceNotFoundException":
                    raise
                break
            events = [*page["events"], *events]
            # The beginning is where the token stays the same.
            if page["nextBackwardToken"] == request.get("nextToken"):
                break
            request["nextToken"] = page["nextBackwardToken"]
        return [LogLine(_as_text(event["timestamp"]), event["message"].rstrip("\n")) for event in events]

    def _parse(self, task: str) -> tuple[str, int | None]:
        step, _, index = task.rpartition("-")
        if self._workflow.step(step) and _NUMBER.fullmatch(index):
            return step, int(index)
        states = [step.state for step in self._workflow.steps]
        functions = [state for states in self._workflow.functions.values() for state in states]
        if task in [*states, *functions]:
            return task, None
        raise NotFound(
            f"TASK: found {quoted(task)}; expected a step ({', '.join([*states, *functions])}) or a step with a "
            f"number, for example {states[0]}-0; see: hpc show {self._run.run_id}"
        )

    def _of_jobs(self, state: str | None, index: int | None) -> Iterator[Log]:
        order = {step.state: position for position, step in enumerate(self._workflow.steps)}
        tasks = Tasks(self._connection, self._stack, self._workflow, self._run)
        all_jobs = tasks.jobs()
        group_states = {step.group_state for step in self._workflow.steps}
        singles = [
            job
            for job in all_jobs
            if job.state not in group_states and state in {None, job.state} and index in {None, job.index}
        ]
        jobs = describe_jobs(self._connection, singles, self._run.run_id)
        groups = tasks.groups(all_jobs)
        of_step = [group for group in groups.all if state in {None, group.state}]
        if state is not None and index is not None:
            jobs += groups.task(state, index)
        elif of_step:
            failed = (child for group in of_step for child in groups.children(group, ["FAILED"]))
            jobs += groups.described(list(islice(failed, MAX_FAILED_OF_GROUPS)))
        if state is not None and not jobs and (index is not None or not of_step):
            raise self._no_job(state if index is None else f"{state}-{index}")
        for job in sorted(jobs, key=lambda job: (order.get(job.state, len(order)), job.index, job.created_at)):
            yield from self._of_job(job)
        if index is None and of_step:
            name = f"{of_step[0].state}-0"
            note = f"(only failed ones are shown, at most {MAX_FAILED_OF_GROUPS}; one of them all: hpc logs RUN {name})"
            tasks_in_groups = sum(group.size for group in of_step)
            yield Log(
                heading=f"{plural(tasks_in_groups, 'task')} in {plural(len(of_step), 'group')}", lines=iter([note])
            )

    def _no_job(self, name: str) -> NotFound:
        return NotFound(
            f"TASK: found no job of {name} in run {self._run.run_id}; expected one that was submitted (Batch keeps "
            f"ended ones for about 7 days); see: hpc show {self._run.run_id}"
        )

    def _of_job(self, job: Job) -> Iterator[Log]:
        streams = log_streams(job)
        name = f"{job.state}-{job.index}"
        if not streams:
            note = f"(no log: {job.status_reason or 'the job has not started'})"
            yield Log(heading=f"{name} {job.status}", lines=iter([note]))
        for number, (group, stream) in enumerate(streams, start=1):
            heading = f"{name} attempt {number} of {len(streams)}, {job.status} ({group} {stream})"
            yield Log(heading=heading, lines=self._lines(group, stream))

    def _lines(self, group: str, stream: str) -> Iterator[str]:
        request: dict[str, Any] = {"logGroupName": group, "logStreamName": stream, "startFromHead": True}
        logs = self._connection.client("logs")
        while True:
            try:
                page = logs.get_log_events(**request)
            except ClientError as error:
                if error_code(error) != "ResourceNotFoundException":
                    raise
                yield "(no log: nothing was written yet, or its retention is over)"
                return
            yield from (event["message"].rstrip("\n") for event in page["events"])
            # The end is where the token stays the same.
            if page["nextForwardToken"] == request.get("nextToken"):
                return
            request["nextToken"] = page["nextForwardToken"]

    def _of_function(self, state: str) -> Iterator[Log]:
        """What a function wrote while the run was going; calls for other runs at that time are in it too."""
        name = function_of(self._definition(), state)
        if name is None:
            return
        config = self._connection.client("lambda").get_function_configuration(FunctionName=name)
        group = config.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"
        yield Log(heading=f"{state} ({group}, while the run was going)", lines=self.between(group))

    def _definition(self) -> Mapping[str, Any]:
        arn = self._stack.state_machine(self._run.workflow)
        answer = self._connection.client("stepfunctions").describe_state_machine(stateMachineArn=arn)
        definition: Mapping[str, Any] = json.loads(answer["definition"])
        return definition

    def between(self, group: str) -> Iterator[str]:
        """What was written to a log group from the run's start to its end."""
        request: dict[str, Any] = {
            "logGroupName": group,
            "startTime": _milliseconds(self._run.started_at or self._run.created_at),
            "endTime": _milliseconds(self._run.stopped_at) + _LATE_MS,
        }
        try:
            for page in self._connection.client("logs").get_paginator("filter_log_events").paginate(**request):
                yield from (event["message"].rstrip("\n") for event in page["events"])
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            yield "(no log: the function was not called yet, or its retention is over)"


# A function's last lines arrive a little after its answer.
_LATE_MS = 5000


def function_of(definition: Mapping[str, Any], state: str) -> str | None:
    """The function that a state invokes, by name or ARN; None when the definition has no such state."""
    states = definition.get("States", {})
    function = states.get(state, {}).get("Parameters", {}).get("FunctionName")
    return str(function) if function else None


def _as_text(milliseconds: int) -> str:
    return as_text(datetime.fromtimestamp(milliseconds / 1000, UTC))


def _milliseconds(time: str) -> int:
    moment = datetime.fromisoformat(time) if time else datetime.now(UTC)
    return int(moment.timestamp() * 1000)
