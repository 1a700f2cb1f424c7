"""What a job leaves behind about itself: a record when its output is complete, or why it failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hpc_job.environment import Job, now
from hpc_job.errors import InputError
from hpc_job.object_writer import ObjectWriter, json_text, put_json
from hpc_job.uploads import Uploads


def common_fields(job: Job) -> dict[str, Any]:
    """The fields that every record has."""
    return {
        "run_id": job.run_id,
        "state": job.state,
        "job_id": job.job_id,
        "attempt": job.attempt,
        "image": job.image,
        "started_at": job.started_at,
        "stopped_at": now(),
    }


def write_record(
    client: Any, job: Job, fields: Mapping[str, Any], *, shards: Iterable[Mapping[str, Any]] | None = None
) -> None:
    """Says that the job's output is complete; whoever lists the record relies on that.

    `shards`, where there may be a million, become its last field while it is written.
    """
    document = common_fields(job) | dict(fields)
    if shards is None:
        put_json(client, job.output_bucket, job.record_key, document, intermediate=job.does_a_shard)
    else:
        with (
            Uploads(client) as uploads,
            ObjectWriter(
                uploads,
                job.output_bucket,
                job.record_key,
                intermediate=job.does_a_shard,
                content_type="application/json",
            ) as output,
        ):
            for piece in with_list(document, "shards", shards):
                output.write(piece)
            output.complete()
    measure = fields.get("merged") or fields.get("input") or fields
    size = f"{measure['lines']} lines, {measure['bytes']} bytes"
    print(f"{job.state} is done: {size}; its record is s3://{job.output_bucket}/{job.record_key}", flush=True)


def with_list(document: Mapping[str, Any], name: str, items: Iterable[Any]) -> Iterator[bytes]:
    """Compact JSON of a document that has fields, with one more field, a list, as its last; an item at a time."""
    yield json_text(document)[:-1] + b"," + json_text(name) + b":["
    separator = b""
    for item in items:
        yield separator + json_text(item)
        separator = b","
    yield b"]}"


def write_failure(client: Any, job: Job, exit_code: int, reason: str, details: Mapping[str, Any]) -> None:
    """Says why the job failed; a record of a later success wins over it."""
    outcome = {"exit_code": exit_code, "permanent": exit_code == InputError.exit_code, "reason": reason}
    document = common_fields(job) | outcome | dict(details)
    put_json(client, job.output_bucket, job.failure_key, document, intermediate=job.does_a_shard)
