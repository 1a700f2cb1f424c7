"""Rows of ended runs, as submissions and executions leave them, to fill a run table with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from hpc.run import Run, as_text

Row = dict[str, Any]

DAYS = 90
PROJECTS, OWNERS = 200, 20
# Of ten runs.
STATUSES = ("SUCCEEDED", "CANCELLED", "SUCCEEDED", "FAILED", *["SUCCEEDED"] * 6)
REASON = "String_Repeat-3: exit code 1: found a line of 70,000 bytes, expected at most 65,536"
_WAITED, _TOOK = timedelta(seconds=2), timedelta(seconds=90)


def ended_runs(count: int, *, until: datetime) -> Iterator[Row]:
    """So many rows, newest first: the last 90 days before `until` in equal steps, with all ends, and many owners.

    The row of a submission is made by `hpc.run`; what the execution adds to it comes from the same run.
    """
    step = timedelta(days=DAYS) / count
    for number in range(count):
        created_at = until - step * (number + 1)
        yield _run(number, created_at).as_item() | _end(STATUSES[number % len(STATUSES)], created_at)


def _run(number: int, created_at: datetime) -> Run:
    run_id = f"{created_at:%Y%m%d-%H%M%S}-{number:06x}"
    project = f"Project{number % PROJECTS}"
    return Run(
        run_id=run_id,
        workflow="string_processing",
        project=project,
        status="PENDING",
        created_at=as_text(created_at),
        execution_arn=f"arn:aws:states:us-east-1:000000000000:execution:String_Processing:{run_id}-1",
        parameters={
            "ProjectNo": project,
            "INPUT_BUCKET": "a-bucket-of-people",
            "INPUT_KEY": f"uploads/{project}/lines.txt",
            "OUTPUT_BUCKET": "a-bucket-of-people",
            "SPLIT_NUM": 10_000,
            "architecture": "x86_64",
        },
        shards=100,
        input_etag=f"{number:032x}",
        code=dict.fromkeys(("string_split", "string_repeat", "string_reverse", "string_merge"), f"{number:064x}"),
        owner=f"arn:aws:iam::000000000000:user/person-{number % OWNERS}",
    )


def _end(status: str, created_at: datetime) -> Row:
    started_at = created_at + _WAITED
    reasons = [REASON] if status == "FAILED" else []
    return {
        "status": status,
        "started_at": as_text(started_at),
        "stopped_at": as_text(started_at + _TOOK),
        "reasons": json.dumps(reasons),
        "reason_count": len(reasons),
    }
