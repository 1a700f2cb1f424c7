"""Joins a branch's outputs in input order, and holds each of them against its record on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hpc_job.environment import Job, file_name
from hpc_job.errors import InputError
from hpc_job.object_reader import ObjectReader
from hpc_job.object_writer import ObjectWriter, Uploads
from hpc_job.records import write_record
from string_merge.branch import Output, read_branch, read_outputs, read_shards
from string_merge.in_order import in_order

# Small outputs are fetched ahead of their turn: one by one, 10,000 of them would wait minutes for S3's first bytes.
SMALL_BYTES = 4 * 1024 * 1024
FETCHED_AHEAD = 16


def merge_branch(job: Job, environment: Mapping[str, str], client: Any) -> None:
    """Writes the merged object, then the record, which consolidates those of the shards."""
    branch = read_branch(environment)
    file = file_name(environment, "INPUT_KEY")
    outputs = read_outputs(client, job, branch, read_shards(client, job))
    key = job.key(f"{branch.prefix}_{file}_merge")
    with Uploads(client) as uploads, ObjectWriter(uploads, job.output_bucket, key, intermediate=False) as merged:
        for chunk in joined(client, job.output_bucket, outputs):
            merged.write(chunk)
        merged.complete()
    fields = {"merged": {"key": key} | merged.measure.as_record(), "shards": [asdict(output) for output in outputs]}
    write_record(client, job, fields)


def joined(client: Any, bucket: str, outputs: Sequence[Output]) -> Iterator[bytes]:
    """The bytes of all outputs, one after the other; raises InputError at the end of one that is not as recorded."""

    def open_output(output: Output) -> ObjectReader:
        return ObjectReader(client, bucket, output.key, f"output of shard {output.shard}")

    def fetch_small(output: Output) -> bytes | None:
        return open_output(output).read() if output.bytes <= SMALL_BYTES else None

    for output, fetched in zip(outputs, in_order(fetch_small, outputs, threads=FETCHED_AHEAD), strict=True):
        chunks = open_output(output).chunks() if fetched is None else [fetched]
        yield from verified(chunks, output, f"s3://{bucket}/{output.key}")


def verified(chunks: Iterable[bytes], output: Output, uri: str) -> Iterator[bytes]:
    """The chunks unchanged; raises InputError after the last when size or checksum differ from the record."""
    size, checksum = 0, hashlib.sha256()
    for chunk in chunks:
        size += len(chunk)
        checksum.update(chunk)
        yield chunk
    if (size, checksum.hexdigest()) != (output.bytes, output.sha256):
        raise InputError(
            f"output of shard {output.shard} {uri}: found {size} bytes with SHA-256 {checksum.hexdigest()}, expected "
            f"{output.bytes} bytes with SHA-256 {output.sha256} as its job recorded; start a new run of this project"
        )
