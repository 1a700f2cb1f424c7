"""Fault switches, for tests only: what goes wrong on AWS, made to go wrong here.

A JSON file that holds a list, looked at whenever a switch could matter, so that a test can change it while the
platform runs:

    [{"action": "reclaim", "job_name": "*-String_Repeat-*", "rate": 0.2, "seed": 7, "after_s": 0.5},
     {"action": "throttle", "call": "SubmitJob", "rate": 0.5}]

What an entry hits:
- job_name: a glob over jobs' names; a child of an array job answers to `<name>:<index>` too
- call (of switches for calls, instead of job_name): a glob over actions of Batch's API, such as SubmitJob, and over
  lambda:Invoke and s3:GET, s3:PUT, s3:HEAD, s3:POST, s3:DELETE (of objects)
- rate: which part of them, 0 to 1, all by default; `seed` chooses the part: the same seed, job name and attempt (or
  action and number of the call) always give the same answer, so that a run repeats
- times (or attempts): how often it hits in the service's life, "all" by default

`action`, what becomes of an attempt (the first entry that hits decides):
- exit: ends with `exit_code` (1) without running the command
- reclaim: ends as if its Spot instance had been taken away, without running the command; with `after_s` the command
  runs and is killed that many seconds after its start, if it has not ended
- out_of_memory: the same with exit code 137 and the reason of a container over its memory
- killed: SIGKILL `after_s` (0) seconds after its start, exit code 137
- cannot_pull_image: ends before it starts, without an exit code
- hang: a process that sleeps forever runs instead of the command

`action`, what goes along with an attempt (each at most once, with one of the above or alone):
- timeout_s: the attempt's timeout becomes `seconds`
- disk_full: no file may grow beyond `bytes` (0). The error is "File too large", not "No space left on device": no
  process can be shown a full disk without the rights to mount one
- no_log_stream: nothing of it is logged; its log stream is named and not there

`action`, around jobs and calls:
- stuck_runnable: the job stays RUNNABLE and blocks its queue for `reason` (CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY, or
  MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT) until its queue's time limit for that reason (`time_limit_s` shortens it),
  somebody's TerminateJob, or the end of the switch
- late_event: state change events come `seconds` late, and so out of order; doubled_event: they come twice; lost_event:
  they never come; `status` is a glob over the status that they tell, "*" by default
- throttle: the service refuses in its own words: Batch and Lambda with TooManyRequestsException (HTTP 429), S3 with
  SlowDown (HTTP 503); slow: it answers `seconds` late
- lose_answer: a function runs, and its answer is lost; double_call: it runs twice (both of lambda:Invoke only)
"""

import fnmatch
import hashlib
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpc.local.batch.fault_file import OF_CALLS, Entry, FaultsFile, FaultsFileError

__all__ = ["CallFault", "EventFault", "Fault", "FaultSwitches", "FaultsFileError", "StuckFault"]

_ENDS = frozenset({"exit", "reclaim", "out_of_memory", "killed", "cannot_pull_image", "hang"})
_ALONGSIDE = frozenset({"timeout_s", "disk_full", "no_log_stream"})
_EVENTS = frozenset({"late_event", "doubled_event", "lost_event"})
_CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"


@dataclass(frozen=True)
class Fault:
    """What to do to one attempt; without an action the command runs."""

    action: str | None = None
    exit_code: int = 1
    after_s: float | None = None
    timeout_s: float | None = None
    max_file_bytes: int | None = None
    loses_log: bool = False


@dataclass(frozen=True)
class StuckFault:
    """Why a job does not start, and after how many seconds its queue's time limit ends it (None: the queue's own)."""

    reason: str
    time_limit_s: float | None


@dataclass(frozen=True)
class EventFault:
    """How late an event comes, and how often: not at all when it is lost."""

    delay_s: float = 0.0
    copies: int = 1


@dataclass(frozen=True)
class CallFault:
    """How late a call is answered, whether it is refused, how often it is made, and whether its answer is lost."""

    delay_s: float = 0.0
    is_throttled: bool = False
    copies: int = 1
    is_lost: bool = False


class FaultSwitches:
    """Finds what hits and counts it; an entry is counted by its whole text, so a changed entry starts anew.

    Every method raises FaultsFileError for a file that is not what it should be.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = FaultsFile(path)
        self._hits: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()
        self._stuck: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def for_attempt(self, label: str, attempt: int = 1) -> Fault:
        """The fault of the attempt that starts now; counts as a hit."""
        found: dict[str, Entry] = {}
        with self._lock:
            for key, entry in self._file.entries():
                action = entry["action"]
                slot = "end" if action in _ENDS else action
                concerns = action in _ENDS or action in _ALONGSIDE
                if concerns and slot not in found and self._hit(key, entry, label, attempt):
                    found[slot] = entry
        end: Entry = found.get("end", {})
        return Fault(
            action=end.get("action"),
            exit_code=end.get("exit_code", 1),
            after_s=end.get("after_s", 0.0 if end.get("action") == "killed" else None),
            timeout_s=found["timeout_s"]["seconds"] if "timeout_s" in found else None,
            max_file_bytes=int(found["disk_full"].get("bytes", 0)) if "disk_full" in found else None,
            loses_log="no_log_stream" in found,
        )

    def for_runnable(self, job_id: str, label: str) -> StuckFault | None:
        """Whether a job whose turn has come must wait; asked again and again, it counts as one hit a job."""
        with self._lock:
            for key, entry in self._file.entries():
                if entry["action"] != "stuck_runnable":
                    continue
                if (key, job_id) in self._stuck or self._hit(key, entry, label, 1):
                    self._stuck.add((key, job_id))
                    return StuckFault(entry.get("reason", _CAPACITY), entry.get("time_limit_s"))
        return None

    def for_event(self, label: str, status: str, attempt: int) -> EventFault:
        """What becomes of a state change event."""
        delay_s, copies, is_lost = 0.0, 1, False
        with self._lock:
            for key, entry in self._file.entries():
                if entry["action"] not in _EVENTS or not fnmatch.fnmatchcase(status, entry.get("status", "*")):
                    continue
                if self._hit(key, entry, label, f"{attempt} {status}"):
                    delay_s = max(delay_s, entry.get("seconds", 0.0))
                    copies += entry["action"] == "doubled_event"
                    is_lost = is_lost or entry["action"] == "lost_event"
        return EventFault(delay_s, 0 if is_lost else copies)

    def for_call(self, action: str) -> CallFault:
        """What becomes of an API call."""
        found: list[Entry] = []
        with self._lock:
            entries = [(key, entry) for key, entry in self._file.entries() if entry["action"] in OF_CALLS]
            self._calls[action] += bool(entries)
            for key, entry in entries:
                if self._hit(key, entry, action, self._calls[action]):
                    found.append(entry)
        actions = [entry["action"] for entry in found]
        return CallFault(
            delay_s=max((entry.get("seconds", 0.0) for entry in found), default=0.0),
            is_throttled="throttle" in actions,
            copies=1 + ("double_call" in actions),
            is_lost="lose_answer" in actions,
        )

    def _hit(self, key: str, entry: Entry, label: str, which: int | str) -> bool:
        """Whether an entry hits what is named `label`; `which` tells attempts, events or calls of that name apart."""
        pattern = entry.get("job_name") or entry.get("call") or ""
        if not any(fnmatch.fnmatchcase(name, pattern) for name in (label, label.partition(":")[0])):
            return False
        times: Any = entry.get("times", entry.get("attempts", "all"))
        if times != "all" and self._hits[key] >= times:
            return False
        if "rate" in entry and _draw(f"{entry.get('seed', 0)} {entry['action']} {label} {which}") >= entry["rate"]:
            return False
        self._hits[key] += 1
        return True


def _draw(text: str) -> float:
    """A number from 0 to below 1 that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big") / 2**56
