"""What the run table says of the tasks of a run: each job that a task had, with its attempts.

The rows are explained in docs/tracking.md. They outlive the jobs, which Batch forgets after 7 days.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boto3.dynamodb.conditions import Key

from hpc.connection import Connection, plain

_JOB, _INSTANCE = "job:", "instance:"
_PLACE = ("instance_type", "zone", "market")

Task = tuple[str, int]


def jobs_of_tasks(connection: Connection, table_name: str, run_id: str) -> dict[Task, list[dict[str, Any]]]:
    """The jobs of each task that has a row, by state and index; groups are tasks of their group's state."""
    query: dict[str, Any] = {
        "KeyConditionExpression": Key("pk").eq(f"RUN#{run_id}") & Key("sk").begins_with("TASK#"),
    }
    found: dict[Task, list[dict[str, Any]]] = {}
    while True:
        page = connection.table(table_name).query(**query)
        found |= {(row["state"], int(row["index"])): jobs_of(row) for row in page["Items"]}
        if "LastEvaluatedKey" not in page:
            return found
        query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def jobs_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row's jobs, oldest first, for scripts; each attempt has the place of its instance, null where it is unknown."""
    places = {name.removeprefix(_INSTANCE): place for name, place in row.items() if name.startswith(_INSTANCE)}
    jobs = []
    for name in sorted(name for name in row if name.startswith(_JOB)):
        job = plain(row[name])
        for attempt in job.get("attempts", []):
            instance = str(attempt.get("container_instance", "")).rpartition("/")[2]
            attempt |= {member: places.get(instance, {}).get(member) for member in _PLACE}
        jobs.append({"job_id": name.split(":", 2)[2], **job})
    return jobs
