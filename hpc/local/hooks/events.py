"""EventBridge and SQS: cheap events of Batch, batches as large as AWS's, IAM's actions, faults of events for a test."""

from __future__ import annotations

import contextvars
import threading
import time
from typing import Any

from ministack.core import iam_actions
from ministack.core.responses import new_uuid
from ministack.services import eventbridge, lambda_svc, sqs, stepfunctions

from hpc.local.batch.faults import EventFault, FaultsFileError, FaultSwitches
from hpc.local.hooks.replacing import replace

# What one call of a function may be given. Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_PAYLOAD_BYTES = 6 * 1024 * 1024
_OVERHEAD_BYTES = 1024


def install(faults: FaultSwitches) -> None:
    """Puts the hooks of events in place."""
    _keep_no_log()
    _name_actions_of_sqs()
    _fill_batches()
    _disturb_events_of_executions(faults)


def publish(source: str, kind: str, detail: dict[str, Any], resource: str) -> None:
    """An event of AWS's own for the default bus, past PutEvents, which would write and read its detail as text."""
    event = {
        "EventId": new_uuid(),
        "Source": source,
        "DetailType": kind,
        "Detail": detail,
        "EventBusName": "default",
        "Time": int(time.time()),
        "Resources": [resource],
        "Account": eventbridge.get_account_id(),
        "Region": eventbridge.get_region(),
    }
    eventbridge._dispatch_event(event, eventbridge._pattern_event_view(event))


def _keep_no_log() -> None:
    """ministack keeps every event that it ever saw in memory, and nobody reads them."""

    def no_log() -> list[Any]:
        return []

    replace(eventbridge, "_events_log_list", no_log)


def _name_actions_of_sqs() -> None:
    """IAM knows the actions of SQS without their `Batch`: who may SendMessage may send many at once.

    Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
    """
    extract = iam_actions.extract_iam_action

    def as_iam_has_it(service: str, *args: Any) -> str | None:
        action: str | None = extract(service, *args)
        return action.removesuffix("Batch") if service == "sqs" and action else action

    replace(iam_actions, "extract_iam_action", as_iam_has_it)


def _fill_batches() -> None:
    """A mapping of a queue to a function gives it what came within the mapping's window, and more than ten messages."""

    def receive(queue_url: str, max_number: int) -> list[dict[str, Any]]:
        with sqs._queues_lock:
            queue = sqs._get_q(queue_url)
            sqs._expire_retained(queue)
            sqs._dlq_sweep(queue)
            if _is_filling(queue, max_number):
                return []
            messages: list[dict[str, Any]] = sqs._collect_msgs(
                queue, _fitting(queue, max_number), int(queue["attributes"].get("VisibilityTimeout", "30"))
            )
            return messages

    replace(sqs, "_receive_messages_for_esm", receive)


def _is_filling(queue: dict[str, Any], max_number: int) -> bool:
    """Whether the oldest message may still wait for others."""
    now = time.time()
    first = next((message for message in queue["messages"] if message["visible_at"] <= now), None)
    if first is None or now - first["visible_at"] >= _window_s(queue["attributes"]["QueueArn"]):
        return False
    visible: int = sum(message["visible_at"] <= now for message in queue["messages"])
    return visible < max_number


def _window_s(queue_arn: str) -> float:
    windows = (
        float(mapping.get("MaximumBatchingWindowInSeconds") or 0)
        for _, _, mapping in lambda_svc._iter_all_esms()
        if mapping["EventSourceArn"] == queue_arn
    )
    return max(windows, default=0.0)


def _fitting(queue: dict[str, Any], max_number: int) -> int:
    """How many of the visible messages fit into one call, one at least."""
    now, room = time.time(), MAX_PAYLOAD_BYTES
    number = 0
    for message in queue["messages"]:
        if message["visible_at"] <= now:
            # In the call the body is a text within JSON, whose quotes are escaped.
            room -= len(message["body"]) + message["body"].count('"') + _OVERHEAD_BYTES
            if room < 0 or number == max_number:
                break
            number += 1
    return max(number, 1)


def _disturb_events_of_executions(faults: FaultSwitches) -> None:
    """Fault switches of events hit those of executions too, by the execution's name."""
    emit = stepfunctions._emit_execution_status_event

    def emit_as_told(execution: dict[str, Any]) -> None:
        try:
            fault = faults.for_event(execution["name"], execution["status"], 0)
        except FaultsFileError:
            fault = EventFault()
        for _ in range(fault.copies):
            if fault.delay_s:
                _emit_later(emit, dict(execution), fault.delay_s)
            else:
                emit(execution)

    replace(stepfunctions, "_emit_execution_status_event", emit_as_told)


def _emit_later(emit: Any, execution: dict[str, Any], delay_s: float) -> None:
    """Tells of an execution as it is now; the account and region of the emulator are in the context."""
    timer = threading.Timer(delay_s, contextvars.copy_context().run, [emit, execution])
    timer.daemon = True
    timer.start()
