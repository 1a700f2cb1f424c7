"""What is left of a run's split: whether its shards are those that its record tells of."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from datetime import UTC, datetime

from hpc.connection import Connection, find_object
from hpc.run import Run
from hpc.workflows import Workflow


class Shards(enum.Enum):
    """What became of a run's shards."""

    WHOLE = "all of them and their list are there"
    NEVER_RECORDED = "the split did not end"
    EXPIRED = "some of them, or their list, are there no longer"
    REPLACED = "another run of the project has written over some of them"


def shards_of(connection: Connection, workflow: Workflow, run: Run, made_since: Mapping[str, str]) -> Shards:
    """Compares the split's record with one listing; a record from before `made_since` is none.

    The record is written after the shards, so a shard that is younger than the record is of another run.
    """
    state, upload = workflow.splitting_state, workflow.upload
    if state is None or upload is None:
        return Shards.NEVER_RECORDED
    bucket = workflow.output_bucket(run.parameters)
    results = f"result/{run.project}/"
    record = find_object(connection, bucket, f"{results}records/{run.run_id}/{state}.json")
    if record is None or in_seconds(record["LastModified"]) < count_from(made_since.get(state)):
        return Shards.NEVER_RECORDED
    recorded_at = in_seconds(record["LastModified"])
    file = str(run.parameters[upload.key_parameter]).rpartition("/")[2]
    folder = f"{results}{state}/"
    expected = {f"{folder}{shard['name']}": int(shard["bytes"]) for shard in json.load(record["Body"])["shards"]}
    wanted = {*expected, f"{folder}{file}_splitlist"}
    pages = connection.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{folder}{file}_")
    for entry in (entry for page in pages for entry in page.get("Contents", [])):
        key = entry["Key"]
        if key in wanted:
            wanted.remove(key)
            if in_seconds(entry["LastModified"]) > recorded_at or entry["Size"] != expected.get(key, entry["Size"]):
                return Shards.REPLACED
    return Shards.EXPIRED if wanted else Shards.WHOLE


def count_from(text: str | None) -> datetime:
    """The time from which on records count; the beginning of time where none is told."""
    return in_seconds(datetime.fromisoformat(text)) if text else datetime.fromtimestamp(0, UTC)


def in_seconds(moment: datetime) -> datetime:
    """A time without its fraction of a second, as S3 tells it of an object (and the emulator only sometimes)."""
    return moment.astimezone(UTC).replace(microsecond=0)
