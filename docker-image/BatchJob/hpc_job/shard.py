"""A job that turns one shard into one output and leaves a record: what repeat and reverse have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hpc_job.environment import SPLIT_STATE, Job
from hpc_job.errors import InputError
from hpc_job.object_reader import ObjectReader
from hpc_job.object_writer import ObjectWriter
from hpc_job.records import write_record
from hpc_job.text import Measure, measured, whole_lines
from hpc_job.uploads import Uploads

Transform = Callable[[Iterable[bytes]], Iterable[bytes]]


def process_shard(job: Job, _environment: Mapping[str, str], client: Any, *, prefix: str, transform: Transform) -> None:
    """Writes `<prefix>_<shard>` from the shard's whole lines, then the record."""
    shard = job.shard
    if shard is None:
        raise InputError("SHARD: found nothing, expected the name of a shard (or SHARD_LIST_KEY for one of a group)")
    reader = ObjectReader(client, job.output_bucket, job.key(shard.name, state=SPLIT_STATE), "shard")
    source = Measure()
    lines = whole_lines(measured(reader.chunks(), source), f"shard {reader.uri}")
    with (
        Uploads(client) as uploads,
        ObjectWriter(uploads, job.output_bucket, job.key(f"{prefix}_{shard.name}"), intermediate=True) as output,
    ):
        for piece in transform(lines):
            output.write(piece)
        output.complete()
    fields = {"index": shard.index, "shard": shard.name, "key": output.key} | output.measure.as_record()
    write_record(client, job, fields | {"source_sha256": source.sha256, "etag": output.etag})
