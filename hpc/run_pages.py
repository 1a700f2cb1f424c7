"""Pages of runs, newest first."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from hpc.runs import Run, Runs

# A filter that fits few runs must not read all of them in one call.
MAX_ROWS_READ = 1000


@dataclass(frozen=True)
class RunFilter:
    """Which runs are wanted; None for any. `day` is in UTC (`2026-01-31`)."""

    status: str | None = None
    workflow: str | None = None
    owner: str | None = None
    day: str | None = None

    def fits(self, run: Run) -> bool:
        wanted = ((self.status, run.status), (self.workflow, run.workflow), (self.owner, run.owner))
        return all(asked in {None, found} for asked, found in wanted)


@dataclass(frozen=True)
class RunPage:
    """Some runs, and the token of what follows; None at the end."""

    runs: list[Run]
    next: str | None


def page_of_runs(runs: Runs, wanted: RunFilter, *, limit: int, after: str | None) -> RunPage | None:
    """At most `limit` runs; fewer, or none, although more follow when few of those that were looked at fit.

    None when `after` is no token of an earlier page.
    """
    start = _position(after) if after else None
    if after and start is None:
        return None
    found: list[Run] = []
    for read, run in enumerate(runs.newest(day=wanted.day, before=start), start=1):
        start = (run.run_id, run.created_at)
        # What its execution says counts, not what the row said until then.
        if wanted.fits(latest := runs.reconciled(run)):
            found.append(latest)
        if len(found) == limit or read == MAX_ROWS_READ:
            return RunPage(found, _token(*start))
    return RunPage(found, None)


def _token(run_id: str, created_at: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([run_id, created_at]).encode()).decode()


def _position(token: str) -> tuple[str, str] | None:
    try:
        run_id, created_at = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        return None
    return (run_id, created_at) if isinstance(run_id, str) and isinstance(created_at, str) and run_id else None
