"""Step Functions: limits as on AWS, stopped executions, and distributed Maps that leave nothing behind."""

from __future__ import annotations

import contextvars
import functools
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ministack.services import stepfunctions

from hpc.local.hooks.replacing import replace

# Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html (payload of a state)
MAX_STATE_BYTES = 262_144
# Children at once of a Map that names no number. On AWS it is 10,000; here each of them is a thread.
_MOST_CHILDREN = 64


def install() -> None:
    """Puts the hooks of Step Functions in place."""
    _end_work_of_stopped_executions()
    _hold_states_to_their_limit()
    replace(stepfunctions, "_run_distributed_map", run_distributed_map)


def _end_work_of_stopped_executions() -> None:
    """A stopped execution stays ABORTED although one of its states fails afterwards."""
    fail = stepfunctions._fail_execution

    def fail_running(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)

    replace(stepfunctions, "_fail_execution", fail_running)


def _hold_states_to_their_limit() -> None:
    """AWS ends an execution whose state passes on more than 256 KiB; so does the laptop."""
    for name in ("_execute_task", "_execute_pass", "_execute_parallel", "_execute_map"):
        replace(stepfunctions, name, _limited(getattr(stepfunctions, name)))


def _limited(execute: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(execute)
    def limited(state: dict[str, Any], *rest: Any) -> Any:
        output, following = execute(state, *rest)
        size = len(json.dumps(output).encode())
        if size > MAX_STATE_BYTES:
            cause = f"A state's output has {size} bytes; Step Functions passes on at most {MAX_STATE_BYTES}"
            raise stepfunctions._ExecutionError("States.DataLimitExceeded", cause)
        return output, following

    return limited


class _NoEvents(list[Any]):
    """The history of a child: nobody reads it here, and 20,000 of them would fill the memory."""

    def append(self, _event: Any) -> None:
        return


def run_distributed_map(  # noqa: PLR0917 -- ministack's own signature
    state: dict[str, Any],
    raw_input: Any,
    effective: Any,
    processor: dict[str, Any],
    execution: dict[str, Any],
    context: dict[str, Any],
) -> Any:
    """Runs one child an item, as ministack does, and keeps nothing of the children but their results.

    Raises `_ExecutionError` (States.ExceedToleratedFailureThreshold) when more fail than the state tolerates.
    """
    items = _items(state, effective, context)
    selector = state.get("ItemSelector") or state.get("Parameters")
    shared = {name: value for name, value in context.items() if name not in ("State", "Map", "variables")}
    results: list[Any] = [None] * len(items)
    failed = [False] * len(items)

    def run_child(index: int, item: Any) -> None:
        child_context = {**shared, "Map": {"Item": {"Index": index, "Value": item}}, "variables": {}}
        child = {**_CHILD, "executionArn": execution["executionArn"], "events": _NoEvents(), "mockAttempts": {}}
        try:
            given = stepfunctions._resolve_params_obj(selector, effective, child_context) if selector else item
            results[index] = stepfunctions._run_sub_machine(
                processor["States"], processor["StartAt"], given, child, child_context
            )
        except stepfunctions._ExecutionError:
            failed[index] = True

    workers = int(state.get("MaxConcurrency") or 0) or min(len(items), _MOST_CHILDREN) or 1
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="map") as pool:
        children = [
            pool.submit(contextvars.copy_context().run, run_child, index, item) for index, item in enumerate(items)
        ]
    for done in children:
        done.result()  # what is no failure of a state is a fault of ours, and is raised
    if _too_many(sum(failed), len(items), state):
        raise stepfunctions._ExecutionError(
            "States.ExceedToleratedFailureThreshold", "The specified tolerated failure threshold was exceeded"
        )
    output = stepfunctions._apply_result_path(state, raw_input, stepfunctions._apply_result_selector(state, results))
    return stepfunctions._apply_output_path(state, output, context), stepfunctions._next_or_end(state)


def _too_many(failed: int, total: int, state: dict[str, Any]) -> bool:
    """Whether more have failed than either threshold tolerates; without one, none may fail."""
    limits = []
    if "ToleratedFailureCount" in state:
        limits.append(failed > int(state["ToleratedFailureCount"]))
    if "ToleratedFailurePercentage" in state:
        limits.append(failed * 100 > float(state["ToleratedFailurePercentage"]) * total)
    return any(limits) if limits else failed > 0


_CHILD = {"status": "RUNNING", "testCase": None}


def _items(state: dict[str, Any], effective: Any, context: dict[str, Any]) -> list[Any]:
    if "ItemReader" in state:
        items = stepfunctions._read_map_items(state["ItemReader"], effective, context)
    else:
        items = stepfunctions._resolve_path_or_ctx(state.get("ItemsPath", "$"), effective, context)
    return items if isinstance(items, list) else [items]
