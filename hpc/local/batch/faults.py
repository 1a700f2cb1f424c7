"""Fault switches, for tests only: they make attempts of chosen jobs fail in a chosen way.

A JSON file that holds a list; read at the start of each attempt, so that a test can change it while the platform runs:

    [{"job_name": "*-String_Repeat-3", "times": 1, "action": "exit", "exit_code": 1}]

`job_name` is a glob; `times` (or `attempts`) is how many attempts of all jobs of that name it hits in the service's
life, "all" by default; `action` is one of
- exit: the attempt ends with `exit_code` without running the command
- reclaim: the attempt ends as if its Spot instance had been taken away
- hang: a process that sleeps forever runs instead of the command
- timeout_s: the attempt's timeout becomes `seconds`; comes together with another action

The first entry that matches and has hits left decides.
"""

import fnmatch
import json
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ACTIONS = ("exit", "reclaim", "hang", "timeout_s")
_FIELDS = {"job_name", "times", "attempts", "action", "exit_code", "seconds"}


class FaultsFileError(Exception):
    """The file of fault switches is not what it should be."""


@dataclass(frozen=True)
class Fault:
    """What to do to one attempt; without an action the command runs."""

    action: str | None = None
    exit_code: int = 1
    timeout_s: float | None = None


class FaultSwitches:
    """Reads the file and counts hits; an entry is counted by its whole text, so a changed entry starts anew."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._hits: Counter[str] = Counter()
        self._lock = threading.Lock()

    def for_attempt(self, job_name: str) -> Fault:
        """The fault of the attempt that starts now; counts as a hit. Raises FaultsFileError."""
        action: dict[str, Any] = {}
        timeout_s: float | None = None
        with self._lock:
            for entry in self._entries():
                is_timeout = entry["action"] == "timeout_s"
                taken = timeout_s is not None if is_timeout else bool(action)
                if taken or not self._hit(entry, job_name):
                    continue
                if is_timeout:
                    timeout_s = float(entry["seconds"])
                else:
                    action = entry
        return Fault(action.get("action"), int(action.get("exit_code", 1)), timeout_s)

    def _entries(self) -> list[dict[str, Any]]:
        if self._path is None or not self._path.exists():
            return []
        try:
            entries = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FaultsFileError(f"{self._path}: {error}") from error
        if not isinstance(entries, list):
            raise FaultsFileError(f"{self._path}: expected a list, found {type(entries).__name__}")
        for entry in entries:
            self._check(entry)
        return entries

    def _check(self, entry: Any) -> None:
        fits = (
            isinstance(entry, dict)
            and isinstance(entry.get("job_name"), str)
            and entry.get("action") in _ACTIONS
            and not entry.keys() - _FIELDS
            and (_times(entry) == "all" or isinstance(_times(entry), int))
            and isinstance(entry.get("exit_code", 1), int)
            and (entry["action"] != "timeout_s" or isinstance(entry.get("seconds"), int | float))
        )
        if not fits:
            raise FaultsFileError(f"{self._path}: an entry is not a fault switch: {json.dumps(entry)}")

    def _hit(self, entry: dict[str, Any], job_name: str) -> bool:
        key = json.dumps(entry, sort_keys=True)
        times = _times(entry)
        if not fnmatch.fnmatchcase(job_name, entry["job_name"]) or (times != "all" and self._hits[key] >= times):
            return False
        self._hits[key] += 1
        return True


def _times(entry: dict[str, Any]) -> Any:
    return entry.get("times", entry.get("attempts", "all"))
