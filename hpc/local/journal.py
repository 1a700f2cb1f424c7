"""What the emulator must not forget when it is killed: a SQLite file, written as things happen.

The emulator itself writes its state down when it ends and after each deployment. What a run changes in between goes
here: executions before they start, rows of tables, jobs, log lines. At the next start the journal is laid over the
state that was saved last. Each entry has a key and the latest one counts, so that laying it over twice changes nothing
(a log line that was written while the state was being saved may then be there twice).
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS entries (
    position INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, key TEXT UNIQUE, document TEXT
);
CREATE INDEX IF NOT EXISTS entries_by_kind ON entries (kind, position);
"""

Document = dict[str, Any]


class Journal:
    """The journal of one platform. Safe to call from many threads; raises sqlite3.Error, a full disk included.

    An execution is on the disk before `keep_execution` returns (it outlives a power failure); the rest is in the
    operating system's hands at once (it outlives the process) and on the disk a little later.
    """

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._quick = _connect(file, synchronous="NORMAL")
        self._safe = _connect(file, synchronous="FULL")
        with self._lock:
            self._quick.executescript(_TABLES)

    def keep_execution(self, arn: str, execution: Mapping[str, Any]) -> None:
        """Writes an execution down, before it starts and when it has ended."""
        self._write(self._safe, "execution", arn, execution)

    def keep_item(self, table: str, pk: str, sk: str, item: Mapping[str, Any] | None) -> None:
        """Writes a table's row down as it is now; None when it is gone."""
        self._write(self._quick, "item", json.dumps([table, pk, sk]), item)

    def keep_job(self, job: Mapping[str, Any]) -> None:
        """Writes a Batch job down as it is now."""
        self._write(self._quick, "job", job["job_id"], job)

    def keep_log_lines(self, group: str, stream: str, events: Sequence[Mapping[str, Any]]) -> None:
        """Writes lines of a log stream down, in order."""
        self._write(self._quick, "log", None, {"group": group, "stream": stream, "events": events})

    def executions(self) -> Iterator[Document]:
        """All executions, as they were written last."""
        yield from (document for _, document in self._entries("execution") if document)

    def items(self) -> Iterator[tuple[str, str, str, Document | None]]:
        """Table, partition key, sort key and row of every change; no row where it was deleted."""
        for key, document in self._entries("item"):
            table, pk, sk = json.loads(key)
            yield table, pk, sk, document

    def jobs(self) -> Iterator[Document]:
        """All jobs, as they were written last."""
        yield from (document for _, document in self._entries("job") if document)

    def log_lines(self) -> Iterator[tuple[str, str, list[Document]]]:
        """Group, stream and events, in the order in which they were written."""
        for _, document in self._entries("log"):
            if document:
                yield document["group"], document["stream"], document["events"]

    def position(self) -> int:
        """The place of the latest entry; what was written up to now may be forgotten by it."""
        with self._lock:
            (position,) = self._quick.execute("SELECT coalesce(max(position), 0) FROM entries").fetchone()
        return int(position)

    def forget(self, position: int) -> None:
        """Drops everything up to a position: the emulator's own saved state has it."""
        with self._lock, self._quick:
            self._quick.execute("DELETE FROM entries WHERE position <= ?", (position,))

    def close(self) -> None:
        """Closes the file; nothing can be written after it."""
        with self._lock:
            self._safe.close()
            self._quick.close()

    def _write(self, connection: sqlite3.Connection, kind: str, key: str | None, document: Any) -> None:
        values = (kind, None if key is None else f"{kind} {key}", None if document is None else json.dumps(document))
        with self._lock, connection:
            connection.execute("INSERT OR REPLACE INTO entries (kind, key, document) VALUES (?, ?, ?)", values)

    def _entries(self, kind: str) -> Iterator[tuple[str, Document | None]]:
        with self._lock:
            query = "SELECT key, document FROM entries WHERE kind = ? ORDER BY position"
            rows = self._quick.execute(query, (kind,)).fetchall()
        for key, document in rows:
            yield (key or "").removeprefix(f"{kind} "), None if document is None else json.loads(document)


def _connect(file: Path, *, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, check_same_thread=False, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    return connection
