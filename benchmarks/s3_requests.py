"""How many S3 requests the states of the string workflow make, as their code makes them when all goes well.

All shards are taken to be of one size, and what a branch makes of a shard to be `OUTPUT_SIZES` times as large.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import ceil

KIB, MIB, GIB = 1024, 1024**2, 1024**3
SHARD_BYTES = 256 * KIB
OUTPUT_SIZES = {"String_Repeat": 2, "String_Reverse": 1}
KEYS_PER_LIST = 1_000
# Source: lambda/job_map/branch_plan.py, which lists so many shards' records side by side.
SHARDS_LISTED_TOGETHER = 10_000
# Source: hpc_job/object_writer.py: a large object begins with the first of these parts and takes larger ones later.
PARTS = ((2_000, 16 * MIB), (2_000, 32 * MIB), (2_000, 64 * MIB), (4_000, 128 * MIB))
# Source: hpc_job/object_reader.py: a large object is read in pieces.
READ_PIECE_BYTES = 64 * MIB
# Source: string_merge/plan.py: outputs from this size on are copied by S3, in parts of 64 MiB, or larger ones.
LEAST_PART_BYTES, LARGEST_LEAST_BYTES, COPIED_PIECE_BYTES, LARGEST_PIECE_BYTES = 5 * MIB, 64 * MIB, 64 * MIB, 5 * GIB
MAX_PARTS = 10_000
LARGEST_WRITTEN_BYTES = sum(parts * size for parts, size in PARTS)
# Records hold so many bytes of each shard, by the keys of a file with a short name.
SPLIT_RECORD_BYTES, MERGE_RECORD_BYTES = 200, 400
LIST_OF_SHARDS = RECORD = MANIFEST = REASONS = 1
BRANCHES = len(OUTPUT_SIZES)


@dataclass(frozen=True)
class Requests:
    """S3 requests by price: a PUT, a part, a copied part and a LIST cost the same; HEAD costs what GET does."""

    puts: int = 0
    lists: int = 0
    gets: int = 0

    def __add__(self, other: Requests) -> Requests:
        return Requests(self.puts + other.puts, self.lists + other.lists, self.gets + other.gets)


@dataclass(frozen=True)
class Work:
    """What the requests of a state depend on. All shards are to do: children of groups have no list to read."""

    shards: int
    shard_bytes: int = SHARD_BYTES


def split(work: Work) -> Requests:
    """Reads the input once and looks at it again; writes shards, their list, its record."""
    record = writes(work.shards * SPLIT_RECORD_BYTES)
    input_bytes = work.shards * work.shard_bytes
    return Requests(puts=work.shards * writes(work.shard_bytes) + LIST_OF_SHARDS + record, gets=reads(input_bytes) + 1)


def job_map(work: Work) -> Requests:
    """Lists the split's record, and of each branch the shards' and the merge's; reads the list; writes what to do.

    On the first try no shard has a record, so each listing is one page.
    """
    branch = ceil(work.shards / SHARDS_LISTED_TOGETHER) + 1
    return Requests(puts=BRANCHES * MANIFEST, lists=1 + BRANCHES * branch, gets=1)


def shard_job(state: str) -> Callable[[Work], Requests]:
    """Reads the shard, writes its output and a record."""

    def requests(work: Work) -> Requests:
        output = writes(OUTPUT_SIZES[state] * work.shard_bytes)
        return Requests(puts=(output + RECORD) * work.shards, gets=reads(work.shard_bytes) * work.shards)

    return requests


def merge(state: str) -> Callable[[Work], Requests]:
    """Lists and reads the records, the split's too; reads or copies the outputs; writes the merged object, its record.

    Outputs that are large enough for parts of their own are copied by S3; then no output is read.
    """

    def requests(work: Work) -> Requests:
        output_bytes = OUTPUT_SIZES[state] * work.shard_bytes
        read = 0 if are_copied(work.shards, output_bytes) else work.shards
        return Requests(
            puts=merged_writes(work.shards, output_bytes) + writes(work.shards * MERGE_RECORD_BYTES),
            lists=pages(work.shards),
            gets=1 + work.shards + read,
        )

    return requests


def check_output(work: Work) -> Requests:
    """Lists each kind of objects and of records; reads the records of the split and the merges; writes the reasons."""
    split_listings = pages(work.shards + LIST_OF_SHARDS) + pages(RECORD)
    branch = 2 * pages(work.shards) + pages(1) + pages(RECORD)
    return Requests(puts=REASONS, lists=split_listings + BRANCHES * branch, gets=RECORD + BRANCHES * RECORD)


def pages(keys: int) -> int:
    """How many LIST requests some keys need. Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html"""
    return max(1, ceil(keys / KEYS_PER_LIST))


def writes(size: int) -> int:
    """How many requests write an object: one PUT, or its parts with a beginning and an end."""
    if size < PARTS[0][1]:
        return 1
    begin_and_complete = 2
    ends = accumulate((parts * part_bytes for parts, part_bytes in PARTS), initial=0)
    parts = sum(
        ceil(max(0, min(size, end) - start) / part_bytes)
        for (start, end), (_, part_bytes) in zip(pairwise(ends), PARTS, strict=True)
    )
    return parts + begin_and_complete


def reads(size: int) -> int:
    """How many requests read an object."""
    return max(1, ceil(size / READ_PIECE_BYTES))


def are_copied(outputs: int, output_bytes: int) -> bool:
    """Whether a merge of outputs of one size has S3 copy them."""
    least = min(max(LEAST_PART_BYTES, ceil(outputs * output_bytes / (MAX_PARTS - 1))), LARGEST_LEAST_BYTES)
    return output_bytes >= least


def merged_writes(outputs: int, output_bytes: int) -> int:
    """How many requests write the merged object."""
    if are_copied(outputs, output_bytes):
        begin_and_complete = 2
        return copied_parts(outputs, output_bytes) + begin_and_complete
    return writes(outputs * output_bytes)


def copied_parts(outputs: int, output_bytes: int) -> int:
    """How many parts outputs of one size become when S3 copies them."""
    largest = min(max(COPIED_PIECE_BYTES, 2 * ceil(outputs * output_bytes / (MAX_PARTS - 1))), LARGEST_PIECE_BYTES)
    return outputs * ceil(output_bytes / largest)


def is_too_large(shards: int, shard_bytes: int) -> bool:
    """Whether the jobs refuse a merged object, for S3 takes no more parts."""
    for size in OUTPUT_SIZES.values():
        output_bytes = size * shard_bytes
        if are_copied(shards, output_bytes):
            if copied_parts(shards, output_bytes) > MAX_PARTS:
                return True
        elif shards * output_bytes > LARGEST_WRITTEN_BYTES:
            return True
    return False


# By state; the states of shards are counted for all shards together.
STATES: Mapping[str, Callable[[Work], Requests]] = {
    "String_Split": split,
    "Job_Map": job_map,
    "String_Repeat": shard_job("String_Repeat"),
    "String_Repeat_Group": shard_job("String_Repeat"),
    "String_Reverse": shard_job("String_Reverse"),
    "String_Reverse_Group": shard_job("String_Reverse"),
    "String_Repeat_Merge": merge("String_Repeat"),
    "String_Reverse_Merge": merge("String_Reverse"),
    "Check_Output": check_output,
}


def run_requests(entered: Mapping[str, int], work: Work) -> Requests:
    """What all states that a run enters ask of S3."""
    return sum((STATES[name](work) for name in entered if name in STATES), Requests())
