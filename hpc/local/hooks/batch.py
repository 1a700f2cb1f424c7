"""Batch: our service answers its API, takes Step Functions' jobs, and writes their logs and events."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from collections.abc import Sequence
from typing import Any

from ministack.services import batch, cloudwatch_logs, stepfunctions

from hpc.local import batch_http
from hpc.local.batch import BatchError, BatchService, JobWaitCancelled, JobWaitTimeout
from hpc.local.hooks.accounts import enter
from hpc.local.hooks.events import publish
from hpc.local.hooks.replacing import replace
from hpc.local.spelling import camel, pascal

_task: contextvars.ContextVar[tuple[str, float | None]] = contextvars.ContextVar("task")
#: Set when the platform ends: executions stay where they are, to be continued by the next platform.
platform_ends = threading.Event()


def install(service: BatchService) -> None:
    """Our Batch service answers the Batch API and runs the jobs of state machines."""

    async def handle_request(method: str, path: str, _headers: Any, body: bytes, query: dict[str, Any]) -> Any:
        return await asyncio.to_thread(batch_http.answer, service, method, path, body, query)

    replace(batch, "handle_request", handle_request)
    replace(batch, "get_state", service.snapshot)
    replace(batch, "load_persisted_state", service.restore)
    _run_tasks(service)


def _run_tasks(service: BatchService) -> None:
    """`batch:submitJob` and `.sync` in Step Functions; both end with the execution that asked for them."""
    dispatch = stepfunctions._SERVICE_DISPATCH
    execute_task = stepfunctions._execute_task
    invoke_with_timeout = stepfunctions._invoke_resource_with_timeout

    def submit(resource: str, parameters: dict[str, Any]) -> Any:
        execution_arn, timeout_s = _task.get()

        def stopped() -> bool:
            execution = stepfunctions._executions.get(execution_arn)
            return execution is None or execution["status"] != "RUNNING"

        if stopped():
            raise stepfunctions._ExecutionError("States.TaskFailed", "The execution was stopped before the job began")
        try:
            answer = service.handle("SubmitJob", camel(parameters))
        except BatchError as error:
            raise stepfunctions._ExecutionError(error.name_in_step_functions, str(error)) from error
        if not resource.endswith(".sync"):
            return pascal(answer)
        try:
            job = service.wait(answer["jobId"], timeout_s=timeout_s, cancelled=stopped)
        except JobWaitTimeout as error:
            raise stepfunctions._ExecutionError("States.Timeout", str(error)) from error
        except JobWaitCancelled as error:
            raise stepfunctions._ExecutionError("States.TaskFailed", str(error)) from error
        if job["status"] == "FAILED":
            raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(pascal(job)))
        return pascal(job)

    def execute(state: dict[str, Any], raw_input: Any, execution: dict[str, Any], context: dict[str, Any]) -> Any:
        token = _task.set((context["Execution"]["Id"], None))
        try:
            result = execute_task(state, raw_input, execution, context)
        finally:
            _task.reset(token)
            if platform_ends.is_set():
                # A job that failed because the platform ends says nothing about the run: this thread goes no further.
                threading.Event().wait()
        return result

    def invoke(resource: str, parameters: Any, timeout_s: float) -> Any:
        if ":batch:submitJob" not in resource:
            return invoke_with_timeout(resource, parameters, timeout_s)
        token = _task.set((_task.get()[0], timeout_s))
        try:
            return stepfunctions._invoke_resource(resource, parameters)
        finally:
            _task.reset(token)

    dispatch["arn:aws:states:::batch:submitJob"] = submit
    replace(stepfunctions, "_execute_task", execute)
    replace(stepfunctions, "_invoke_resource_with_timeout", invoke)


class AccountScope:
    """Runs calls from the Batch service's threads inside the platform's one account and region."""

    def __init__(self, account: str, region: str) -> None:
        self._account, self._region = account, region

    def write_logs(self, group: str, stream: str, lines: Sequence[tuple[int, str]]) -> None:
        """Appends to CloudWatch Logs; the group and the stream are made when they are not there."""
        enter(self._account, self._region)
        open_log_stream(group, stream)
        events = [{"timestamp": stamp, "message": text} for stamp, text in lines]
        if not events:
            return
        cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": events})

    def publish_job_state(self, detail: dict[str, Any]) -> None:
        """Sends Batch's job state change event to EventBridge."""
        enter(self._account, self._region)
        publish("aws.batch", "Batch Job State Change", detail, detail["jobArn"])


def open_log_stream(group: str, stream: str) -> None:
    """Makes a log group and a stream in it, unless they are there."""
    if group not in cloudwatch_logs._log_groups:
        cloudwatch_logs._create_log_group({"logGroupName": group})
    if stream not in cloudwatch_logs._log_groups[group]["streams"]:
        cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
