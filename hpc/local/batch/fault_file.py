"""The file of fault switches: read when it has changed, and checked entry by entry."""

import json
import time
from pathlib import Path
from typing import Any

Entry = dict[str, Any]

#: What the entries of each action may say beyond `action`, `rate`, `seed`, `times` and what they hit.
FIELDS: dict[str, frozenset[str]] = {
    "exit": frozenset({"exit_code"}),
    "reclaim": frozenset({"after_s"}),
    "out_of_memory": frozenset({"after_s"}),
    "killed": frozenset({"after_s"}),
    "hang": frozenset(),
    "cannot_pull_image": frozenset(),
    "timeout_s": frozenset({"seconds"}),
    "disk_full": frozenset({"bytes"}),
    "no_log_stream": frozenset(),
    "stuck_runnable": frozenset({"reason", "time_limit_s"}),
    "late_event": frozenset({"seconds", "status"}),
    "doubled_event": frozenset({"status"}),
    "lost_event": frozenset({"status"}),
    "throttle": frozenset(),
    "slow": frozenset({"seconds"}),
    "lose_answer": frozenset(),
    "double_call": frozenset(),
}
OF_CALLS = frozenset({"throttle", "slow", "lose_answer", "double_call"})
_NEEDS_SECONDS = frozenset({"timeout_s", "late_event", "slow"})
_OF_ALL = frozenset({"action", "times", "attempts", "rate", "seed"})
_NUMBERS = frozenset({"rate", "after_s", "seconds", "bytes", "time_limit_s"})
_TEXTS = frozenset({"job_name", "call", "reason", "status"})
_WHOLE_NUMBERS = frozenset({"exit_code", "seed"})
#: A file that was written this short a time ago may be written again without a new time stamp.
_UNSETTLED_NS = 50_000_000
_RETRY_AFTER_S = 0.02


class FaultsFileError(Exception):
    """The file of fault switches is not what it should be."""


class FaultsFile:
    """The entries of a file, in its order; no file, no entries. Not locked by itself."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._entries: list[tuple[str, Entry]] = []

    def entries(self) -> list[tuple[str, Entry]]:
        """Every entry and its whole text, by which its hits are counted. Raises FaultsFileError."""
        if self._path is None:
            return []
        try:
            found = self._path.stat()
        except OSError:
            self._stamp, self._entries = None, []
            return []
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if stamp != self._stamp or time.time_ns() - found.st_mtime_ns < _UNSETTLED_NS:
            self._stamp = None
            self._entries = [(json.dumps(entry, sort_keys=True), entry) for entry in self._checked(self._read())]
            self._stamp = stamp
        return self._entries

    def _read(self) -> Any:
        """What the file holds; one that is being written is read a second time."""
        if self._path is None or not self._path.exists():
            return []
        try:
            return json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            time.sleep(_RETRY_AFTER_S)
        try:
            return json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FaultsFileError(f"{self._path}: {error}") from error

    def _checked(self, entries: Any) -> list[Entry]:
        if not isinstance(entries, list):
            raise FaultsFileError(f"{self._path}: expected a list, found {type(entries).__name__}")
        for entry in entries:
            if not isinstance(entry, dict) or not _fits(entry):
                raise FaultsFileError(f"{self._path}: an entry is not a fault switch: {json.dumps(entry)}")
        return entries


def _fits(entry: Entry) -> bool:
    action = entry.get("action")
    if not isinstance(action, str) or action not in FIELDS:
        return False
    hits = "call" if action in OF_CALLS else "job_name"
    times = entry.get("times", entry.get("attempts", "all"))
    return (
        hits in entry
        and not entry.keys() - _OF_ALL - FIELDS[action] - {hits}
        and (times == "all" or _is_whole(times))
        and all(isinstance(entry[name], str) for name in _TEXTS & entry.keys())
        and all(_is_whole(entry[name]) for name in _WHOLE_NUMBERS & entry.keys())
        and all(_is_number(entry[name]) and entry[name] >= 0 for name in _NUMBERS & entry.keys())
        and entry.get("rate", 1) <= 1
        and (action not in _NEEDS_SECONDS or "seconds" in entry)
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
