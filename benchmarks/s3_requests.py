"""How many S3 requests the states of the string workflow make, as their code makes them when all goes well.

Shards and what is made of one shard are taken to be SHARD_BYTES each: below 16 MiB, so that each is one PUT.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil

SHARD_BYTES = 1024 * 1024
KEYS_PER_LIST = 1_000
# Source: hpc_job.object_writer, which begins with parts of this size and makes at most so many.
PART_BYTES = 16 * 1024 * 1024
MAX_PARTS = 10_000
LIST_OF_SHARDS = RECORD = MANIFEST = REASONS = 1


@dataclass(frozen=True)
class Requests:
    """S3 requests by price: a PUT, a part and a LIST cost the same; HEAD costs what GET does."""

    puts: int = 0
    lists: int = 0
    gets: int = 0

    def __add__(self, other: Requests) -> Requests:
        return Requests(self.puts + other.puts, self.lists + other.lists, self.gets + other.gets)


def split(shards: int, _grouped: bool) -> Requests:
    """Reads the input once and looks at it again; writes shards, their list, its record."""
    return Requests(puts=shards + LIST_OF_SHARDS + RECORD, gets=2)


def job_map(shards: int, grouped: bool) -> Requests:  # noqa: ARG001 -- each state has the same form
    """Lists the run's records, which on the first try is the split's; reads the list; writes a manifest a branch."""
    return Requests(puts=2 * MANIFEST, lists=pages(1), gets=1)


def shard_job(shards: int, grouped: bool) -> Requests:
    """Reads the shard, writes its output and a record; the child of a group first finds its shard in the manifest."""
    return Requests(puts=(1 + RECORD) * shards, gets=(2 if grouped else 1) * shards)


def merge(shards: int, _grouped: bool) -> Requests:
    """Lists and reads the shards' records, reads their outputs, writes the merged object in parts, and its record."""
    parts = min(MAX_PARTS, ceil(shards * SHARD_BYTES / PART_BYTES))
    begin_and_complete = 2
    return Requests(puts=parts + begin_and_complete + RECORD, lists=pages(shards), gets=1 + 2 * shards)


def check_output(shards: int, _grouped: bool) -> Requests:
    """Lists records, shards, and what each branch and merge made; reads three records; writes the reasons."""
    records = 2 * shards + 3
    listed = pages(records) + pages(shards + LIST_OF_SHARDS) + 2 * pages(shards) + 2 * pages(1)
    return Requests(puts=REASONS, lists=listed, gets=3)


def pages(keys: int) -> int:
    """How many LIST requests some keys need. Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html"""
    return max(1, ceil(keys / KEYS_PER_LIST))


# By state; the states of shards are counted for all shards together.
STATES: Mapping[str, Callable[[int, bool], Requests]] = {
    "String_Split": split,
    "Job_Map": job_map,
    "String_Repeat": shard_job,
    "String_Repeat_Group": shard_job,
    "String_Reverse": shard_job,
    "String_Reverse_Group": shard_job,
    "String_Repeat_Merge": merge,
    "String_Reverse_Merge": merge,
    "Check_Output": check_output,
}


def run_requests(entered: Mapping[str, int], shards: int, *, grouped: bool) -> Requests:
    """What all states that a run enters ask of S3."""
    return sum((STATES[name](shards, grouped) for name in entered if name in STATES), Requests())
