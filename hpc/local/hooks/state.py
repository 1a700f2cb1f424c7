"""What outlives the process: the emulator's saved state, and the journal of what has happened since."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import persistence
from ministack.services import cloudwatch_logs, dynamodb, s3, stepfunctions

from hpc.local.batch import BatchService
from hpc.local.hooks.batch import open_log_stream, platform_ends
from hpc.local.hooks.replacing import replace
from hpc.local.hooks.storage import is_in_store
from hpc.local.journal import Journal
from hpc.local.object_store import ObjectStore
from hpc.runs import INTERRUPTED

_LOG = logging.getLogger(__name__)
_STORE_STARTS_WITHIN_S = 60
# The server's loop waits so long before it tries again to save what changed while it was written.
_CHANGED_WAITS_S = (0.01, 0.05, 0.1, 0.2)
_CAUSE = "The laptop platform ended while the execution was running"

# The emulator's own functions, by which what the journal holds comes back without being written down again.
_set_item, _remove_item = dynamodb._set_item, dynamodb._remove_item
_put_log_events = cloudwatch_logs._put_log_events


def install(service: BatchService, store: ObjectStore, journal: Journal) -> None:
    """Saves on SIGUSR1 and at the end, keeps a journal in between, and restores both at the start."""
    save = _saving(journal)
    replace(persistence, "save_all", save)
    replace(app, "save_all", save)
    _save_on_request(save)
    _end_on_request(service)
    _keep_executions(journal)
    _keep_items(journal)
    _keep_log_lines(journal)
    _restore(service, store, journal, save)


def _saving(journal: Journal) -> Any:
    """Saves the state of every service; only when all of it lies on the disk, the journal forgets what is in it."""

    def save_all(services: dict[str, Any]) -> None:
        position = journal.position()
        try:
            for name, get_state in services.items():
                _save_service(name, get_state)
        except (OSError, TypeError, ValueError, RuntimeError):
            _LOG.exception("the emulator's state could not be saved; the journal keeps what has changed")
            return
        journal.forget(position)

    return save_all


def _save_service(name: str, get_state: Callable[[], Any]) -> None:
    """Writes a service's state, again when other threads have changed it meanwhile.

    Raises RuntimeError when they always do, and what `_write_state` raises.
    """
    for wait_s in (*_CHANGED_WAITS_S, None):
        try:
            state = get_state()
            if state is not None:
                _write_state(name, state)
        except RuntimeError:  # "dictionary changed size during iteration"
            if wait_s is None:
                raise
            time.sleep(wait_s)
        else:
            return


def _write_state(service: str, state: Any) -> None:
    """Writes one service's state as ministack reads it, whole or not at all; raises OSError."""
    folder = Path(persistence.STATE_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{service}.json.tmp"
    wrapped = {"__ministack_format__": persistence._state_format_version(service), "payload": state}
    with temporary.open("w") as file:
        json.dump(wrapped, file, default=persistence._json_default)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / f"{service}.json")


def _save_on_request(save: Any) -> None:
    """SIGUSR1 writes the state down, as the end of the process does: `hpc up` asks for it after a deployment.

    Between two steps of the server's loop: a handler that saved at once could interrupt the very thread that holds the
    journal's lock, and wait for it forever.
    """
    load = app._load_persisted_state

    def load_then_listen() -> None:
        load()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, lambda: save(app._build_persistence_save_dict()))

    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # until then nothing has changed
    replace(app, "_load_persisted_state", load_then_listen)


def _end_on_request(service: BatchService) -> None:
    """SIGUSR2 ends the jobs while S3 still answers, so that they can clean up, and then the process.

    Executions stay as they are; the next platform continues their runs.
    """

    def end() -> None:
        platform_ends.set()
        service.stop()
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGUSR2, lambda _signal, _frame: threading.Thread(target=end, daemon=True).start())


def _keep_executions(journal: Journal) -> None:
    """An execution is in the journal before it starts, and when it has ended."""
    emit = stepfunctions._emit_execution_status_event

    def emit_kept(execution: dict[str, Any]) -> None:
        journal.keep_execution(execution["executionArn"], execution)
        emit(execution)

    replace(stepfunctions, "_emit_execution_status_event", emit_kept)


def _keep_items(journal: Journal) -> None:
    """Every change of a DynamoDB table's rows is in the journal before its caller is answered."""

    def put_kept(table: dict[str, Any], pk: str, sk: str, item: dict[str, Any]) -> Any:
        previous = _set_item(table, pk, sk, item)
        journal.keep_item(table["TableName"], pk, sk, item)
        return previous

    def remove_kept(table: dict[str, Any], pk: str, sk: str) -> Any:
        previous = _remove_item(table, pk, sk)
        journal.keep_item(table["TableName"], pk, sk, None)
        return previous

    replace(dynamodb, "_set_item", put_kept)
    replace(dynamodb, "_remove_item", remove_kept)


def _keep_log_lines(journal: Journal) -> None:
    """Log lines of jobs and functions are in the journal, too."""

    def put_kept(request: dict[str, Any]) -> Any:
        answer = _put_log_events(request)
        if answer[0] == 200:
            journal.keep_log_lines(request["logGroupName"], request["logStreamName"], request["logEvents"])
        return answer

    replace(cloudwatch_logs, "_put_log_events", put_kept)


def _restore(service: BatchService, store: ObjectStore, journal: Journal, save: Any) -> None:
    """At the start: the saved state, the journal over it, and what cannot go on by itself marked as interrupted."""
    load = app._load_persisted_state

    def load_all() -> None:
        store.wait_until_up(_STORE_STARTS_WITHIN_S)
        load()
        _restore_rows(journal)
        for execution in journal.executions():
            stepfunctions._executions[execution["executionArn"]] = execution
        for execution in stepfunctions._executions.all_values():
            _mark_interrupted(execution)
        service.adopt_jobs(journal.jobs())
        for group, stream, events in journal.log_lines():
            open_log_stream(group, stream)
            _put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": events})
        for bucket in s3._buckets:
            if is_in_store(bucket):
                store.create_bucket(bucket)
        if journal.position():
            save(app._build_persistence_save_dict())

    replace(app, "_load_persisted_state", load_all)


def _restore_rows(journal: Journal) -> None:
    """Lays the journal's rows over the tables; those of a table that is gone are dropped."""
    for name, pk, sk, item in journal.items():
        table = dynamodb._tables.get(name)
        if table is None:
            _LOG.warning("the journal has a row of table %s, which is gone", name)
        elif item is None:
            _remove_item(table, pk, sk)
        else:
            _set_item(table, pk, sk, item)


def _mark_interrupted(execution: dict[str, Any]) -> None:
    """An execution that was running is over; its run goes on in another one."""
    restarted = execution["status"] == "FAILED" and execution.get("error") == "States.ServiceRestart"
    if execution["status"] == "RUNNING" or restarted:
        execution.update(status="ABORTED", error=INTERRUPTED, cause=_CAUSE)
        execution["stopDate"] = execution.get("stopDate") or stepfunctions.now_iso()
