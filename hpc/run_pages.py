"""Pages of runs, newest first."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass

from hpc.run import Run, is_run_id
from hpc.runs import Runs

# A filter that fits few runs must not read all of them in one call.
MAX_ROWS_READ = 1000
# Of a filter that leaves out some: few requests where few runs fit, and not much too many rows where most do.
_ROWS_AT_ONCE = 250
# ISO 8601, whoever wrote it: a submission or the state machine.
_CREATED_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.+Z-]{1,30}")


@dataclass(frozen=True)
class RunFilter:
    """Which runs are wanted; None for any. `day` is in UTC (`2026-01-31`)."""

    status: str | None = None
    workflow: str | None = None
    owner: str | None = None
    day: str | None = None

    @property
    def leaves_out_some(self) -> bool:
        """Whether runs of its day may not fit."""
        return any((self.status, self.workflow, self.owner))

    def may_fit(self, run: Run) -> bool:
        """Whether a row that may be old can be of a wanted run: its status may have changed since."""
        return self.workflow in {None, run.workflow} and self.owner in {None, run.owner}

    def fits(self, run: Run) -> bool:
        return self.may_fit(run) and self.status in {None, run.status}


@dataclass(frozen=True)
class RunPage:
    """Some runs, and the token of what follows; None at the end."""

    runs: list[Run]
    next: str | None


def page_of_runs(runs: Runs, wanted: RunFilter, *, limit: int, after: str | None) -> RunPage | None:
    """At most `limit` runs; fewer, or none, although more follow when few of those that were looked at fit.

    None when `after` is no token of an earlier page of the same day.
    """
    start = _position(after, wanted.day or "") if after else None
    if after and start is None:
        return None
    found: list[Run] = []
    rows_at_once = _ROWS_AT_ONCE if wanted.leaves_out_some else limit
    for read, run in enumerate(runs.newest(day=wanted.day, before=start, rows_at_once=rows_at_once), start=1):
        start = (run.run_id, run.created_at)
        # What its execution says counts, not what the row said until then.
        if wanted.may_fit(run) and wanted.fits(latest := runs.reconciled(run)):
            found.append(latest)
        if len(found) == limit or read == MAX_ROWS_READ:
            return RunPage(found, _token(*start))
    return RunPage(found, None)


def _token(run_id: str, created_at: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([run_id, created_at]).encode()).decode()


def _position(token: str, day: str) -> tuple[str, str] | None:
    """What `_token` was made of; None for anything else: DynamoDB refuses a position that no row could have."""
    try:
        found = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, RecursionError):
        return None
    if not (isinstance(found, list) and len(found) == 2 and all(isinstance(part, str) for part in found)):
        return None
    run_id, created_at = found
    is_ours = is_run_id(run_id) and _CREATED_AT.fullmatch(created_at) and created_at.startswith(day)
    return (run_id, created_at) if is_ours else None
