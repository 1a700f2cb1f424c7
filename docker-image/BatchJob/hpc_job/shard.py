"""A job that turns one shard into one output and leaves a record: what repeat and reverse have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hpc_job.environment import SPLIT_STATE, Job, shard_name, whole_number
from hpc_job.object_reader import ObjectReader
from hpc_job.object_writer import ObjectWriter
from hpc_job.records import write_record
from hpc_job.text import Measure, measured, whole_lines
from hpc_job.uploads import Uploads

Transform = Callable[[Iterable[bytes]], Iterable[bytes]]

MAX_INDEX = 99_999  # shard names have five digits


def process_shard(job: Job, environment: Mapping[str, str], client: Any, *, prefix: str, transform: Transform) -> None:
    """Writes `<prefix>_<shard>` from the shard's whole lines, then the record."""
    shard = shard_name(environment)
    index = whole_number(environment, "INDEX", 0, MAX_INDEX, "the shard's number")
    reader = ObjectReader(client, job.output_bucket, job.key(shard, state=SPLIT_STATE), "shard")
    source = Measure()
    lines = whole_lines(measured(reader.chunks(), source), f"shard {reader.uri}")
    with (
        Uploads(client) as uploads,
        ObjectWriter(uploads, job.output_bucket, job.key(f"{prefix}_{shard}"), intermediate=True) as output,
    ):
        for piece in transform(lines):
            output.write(piece)
        output.complete()
    fields = {"index": index, "shard": shard, "key": output.key} | output.measure.as_record()
    write_record(client, job, fields | {"source_sha256": source.sha256, "etag": output.etag})
