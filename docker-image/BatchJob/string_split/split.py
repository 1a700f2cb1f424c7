"""Splits the input: shards first, then their list, then the record that says they are complete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from hpc_job.environment import Job, file_name, required, whole_number
from hpc_job.errors import InputError, JobError
from hpc_job.object_reader import ObjectReader
from hpc_job.object_writer import ObjectWriter, put_small
from hpc_job.records import write_record
from hpc_job.s3 import writing
from hpc_job.shard_name import MAX_SHARDS, shard_digits, shard_name
from hpc_job.text import Measure, measured, whole_lines
from hpc_job.uploads import Uploads
from string_split.cut import cut, smallest_lines_per_shard

PUTS_AT_ONCE = 8  # shards, or parts of large ones; each is held in memory
MAX_LINES_PER_SHARD = 1_000_000_000
DELETE_AT_ONCE = 1_000  # Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html


@dataclass(frozen=True)
class Request:
    """What to split, and how."""

    bucket: str
    key: str
    file: str
    lines_per_shard: int


def read_request(environment: Mapping[str, str]) -> Request:
    """Raises InputError that names the variable, what was found and what is expected."""
    return Request(
        bucket=required(environment, "INPUT_BUCKET", "the bucket of the input"),
        key=required(environment, "INPUT_KEY", "the key of the input"),
        file=file_name(environment, "INPUT_KEY"),
        lines_per_shard=whole_number(environment, "SPLIT_NUM", 1, MAX_LINES_PER_SHARD, "lines a shard"),
    )


def split_input(job: Job, environment: Mapping[str, str], client: Any) -> None:
    """Writes the shards, their list and the record; the input is read once, of one version."""
    request = read_request(environment)
    reader = ObjectReader(client, request.bucket, request.key, "input")
    total = Measure()
    blocks = whole_lines(measured(reader.chunks(), total), f"input {reader.uri}")
    shards = Shards(job, client, request.file, shard_digits(reader.bytes, request.lines_per_shard))
    if not shards.write(blocks, request.lines_per_shard):
        for _ in blocks:  # counts on to the end, to say what would fit
            pass
        shards.remove()
        raise InputError(
            f"SPLIT_NUM: found {request.lines_per_shard}, which makes more than {MAX_SHARDS} shards of the "
            f"{total.lines} lines of input {reader.uri}, expected at least "
            f"{smallest_lines_per_shard(total.lines, MAX_SHARDS)}"
        )
    reader.check_unchanged()
    shards.write_list()
    source = {"bucket": request.bucket, "key": request.key, "etag": reader.etag.strip('"')}
    fields = {"input": source | total.as_record(), "split_num": request.lines_per_shard}
    write_record(client, job, fields, shards=shards.records)


class Shards:
    """The shards of one input under this job's state; `records` tells of those that this job wrote, in order."""

    def __init__(self, job: Job, client: Any, file: str, digits: int) -> None:
        self._job = job
        self._client = client
        self._file = file
        self._digits = digits
        self.records: list[dict[str, Any]] = []

    def write(self, blocks: Iterable[bytes], lines_per_shard: int) -> bool:
        """Writes the shards; False when there is text for one more than may be, which is then not written."""
        pieces = cut(blocks, lines_per_shard)
        with Uploads(self._client, threads=PUTS_AT_ONCE) as uploads:
            for number, shard in groupby(pieces, key=itemgetter(0)):
                if number == MAX_SHARDS:
                    return False
                name = shard_name(self._file, number, self._digits)
                with ObjectWriter(uploads, self._job.output_bucket, self._job.key(name), intermediate=True) as output:
                    for _, piece in shard:
                        output.write(piece)
                    output.complete()
                self.records.append({"name": name} | output.measure.as_record())
        return True

    def write_list(self) -> None:
        """Writes the shards' keys, one a line in input order."""
        put_small(
            self._client,
            self._job.output_bucket,
            self._job.key(f"{self._file}_splitlist"),
            "".join(f"{key}\n" for key in self._keys()).encode(),
            content_type="text/plain; charset=utf-8",
            intermediate=True,
        )

    def remove(self) -> None:
        """Deletes the shards that this job wrote, and nothing else; raises JobError when one stays."""
        bucket = self._job.output_bucket
        keys = self._keys()
        for start in range(0, len(keys), DELETE_AT_ONCE):
            batch = [{"Key": key} for key in keys[start : start + DELETE_AT_ONCE]]
            with writing(bucket, self._job.key(self._file)):
                answer = self._client.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
            for failure in answer.get("Errors", []):
                raise JobError(f"shard s3://{bucket}/{failure['Key']}: could not be removed: {failure['Message']}")

    def _keys(self) -> list[str]:
        return [self._job.key(record["name"]) for record in self.records]
