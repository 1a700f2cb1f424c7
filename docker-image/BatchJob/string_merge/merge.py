"""Joins a branch's outputs in input order.

Outputs that are large enough for a part of their own are copied by S3, in the version that their job recorded. The
others are read, and held against the checksum in their record on the way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hpc_job.environment import Job, file_name
from hpc_job.errors import InputError
from hpc_job.multipart_upload import MAX_PARTS, MultipartUpload, RecordedObject
from hpc_job.object_reader import ObjectReader
from hpc_job.object_writer import ObjectWriter
from hpc_job.records import write_record
from hpc_job.uploads import Uploads
from string_merge.branch import Output, read_branch, read_outputs, read_shards
from string_merge.in_order import in_order
from string_merge.plan import Part, plan_parts

# Small outputs are fetched ahead of their turn: one by one, 10,000 of them would wait minutes for S3's first bytes.
SMALL_BYTES = 4 * 1024 * 1024
FETCHED_AHEAD = 32

PARTS_AT_ONCE = 8  # copied or sent; those that are sent are held in memory


def merge_branch(job: Job, environment: Mapping[str, str], client: Any) -> None:
    """Writes the merged object, then the record, which consolidates those of the shards."""
    branch = read_branch(environment)
    file = file_name(environment, "INPUT_KEY")
    outputs = read_outputs(client, job, branch, read_shards(client, job))
    key = job.key(f"{branch.prefix}_{file}_merge")
    parts = plan_parts([output.bytes for output in outputs])
    if any(part.copied for part in parts):
        merged = copy_and_join(client, job.output_bucket, key, outputs, parts)
    else:
        merged = join(client, job.output_bucket, key, outputs)
    shards = (output.as_record() for output in outputs)
    write_record(client, job, {"merged": {"key": key} | merged}, shards=shards)


def join(client: Any, bucket: str, key: str, outputs: Sequence[Output]) -> dict[str, Any]:
    """Reads all outputs and writes them as one object; returns its measure and ETag as they are recorded."""
    with Uploads(client) as uploads, ObjectWriter(uploads, bucket, key, intermediate=False) as merged:
        for chunk in joined(client, bucket, ((output, range(output.bytes)) for output in outputs)):
            merged.write(chunk)
        merged.complete()
    return merged.measure.as_record() | {"etag": merged.etag}


def copy_and_join(
    client: Any, bucket: str, key: str, outputs: Sequence[Output], parts: Sequence[Part]
) -> dict[str, Any]:
    """Has S3 make one object of the outputs, and reads only those that are too small; returns what is recorded of it.

    The measure is the sum of the outputs'. There is no checksum, since not all bytes were seen.
    """
    if len(parts) > MAX_PARTS:
        raise InputError(
            f"output s3://{bucket}/{key}: found {len(parts)} parts to join, expected at most {MAX_PARTS}; use a "
            "smaller input, or more lines a shard"
        )
    sizes = [output.bytes for output in outputs]
    with (
        Uploads(client, threads=PARTS_AT_ONCE) as uploads,
        MultipartUpload(uploads, bucket, key) as upload,
    ):
        for part in parts:
            pieces = [(outputs[index], span) for index, span in part.pieces(sizes)]
            if part.copied:
                ((output, span),) = pieces
                source = RecordedObject(bucket, output.key, output.etag, name_of(output))
                upload.copy_part(source, None if len(span) == output.bytes else span)
            else:
                upload.send_part(b"".join(joined(client, bucket, pieces)))
        etag = upload.complete()
    return {
        "bytes": sum(sizes),
        "lines": sum(output.lines for output in outputs),
        "terminator_bytes": sum(output.terminator_bytes for output in outputs),
        "sha256": None,
        "etag": etag,
    }


def joined(client: Any, bucket: str, pieces: Iterable[tuple[Output, range]]) -> Iterator[bytes]:
    """The bytes of the pieces, each an output or its beginning, one after the other.

    Raises InputError at the end of an output that is not as recorded. Of the beginning of one the checksum is not
    known: it is read only in the version that was recorded.
    """

    def open_piece(output: Output, span: range) -> Iterator[bytes]:
        if len(span) < output.bytes:
            return ObjectReader(client, bucket, output.key, name_of(output), span=span, etag=output.etag).chunks()
        reader = ObjectReader(client, bucket, output.key, name_of(output))
        return verified(reader.chunks(), output, reader.uri)

    def fetch_small(piece: tuple[Output, range]) -> tuple[Output, range, list[bytes] | None]:
        output, span = piece
        return output, span, list(open_piece(output, span)) if len(span) <= SMALL_BYTES else None

    for output, span, fetched in in_order(fetch_small, pieces, threads=FETCHED_AHEAD):
        yield from open_piece(output, span) if fetched is None else fetched


def name_of(output: Output) -> str:
    return f"output of shard {output.shard}"


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
