"""A child of an array job, which does one shard of a group: which one, a line of the group's list says.

A list of all shards is not written: its line n would be shard n.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hpc_job.environment import Shard, file_name, required, whole_number
from hpc_job.errors import InputError
from hpc_job.object_reader import ObjectReader
from hpc_job.shard_name import LEAST_DIGITS, MAX_SHARDS, MOST_DIGITS

NO_LIST = ".all"  # how the key of a list that is not written ends
MAX_CHILDREN = 10_000  # Source: https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html


@dataclass(frozen=True)
class Member:
    """Which line of which list names the shard, and the file that the shard is of.

    All lines of a list have one length: a shard's number in so many digits, and LF.
    """

    list_key: str
    line: int
    digits: int
    file: str

    @property
    def is_of_all(self) -> bool:
        """True when the group is one of all shards, so that there is no list."""
        return self.list_key.endswith(NO_LIST)

    @property
    def span(self) -> range:
        """Positions of the line's digits in the list."""
        start = self.line * (self.digits + 1)
        return range(start, start + self.digits)

    def shard(self, number: str) -> Shard:
        """The shard of this number, which has all its digits."""
        return Shard(index=int(number), name=f"{self.file}_{number}")


def is_member(environment: Mapping[str, str]) -> bool:
    """True for a child of an array job that does a group of shards."""
    return "SHARD_LIST_KEY" in environment


def read_member(environment: Mapping[str, str]) -> Member:
    """Raises InputError that names the variable, what was found and what is expected."""
    offset = whole_number(environment, "GROUP_OFFSET", 0, MAX_SHARDS - 1, "the line of the group's first shard")
    child = whole_number(environment, "AWS_BATCH_JOB_ARRAY_INDEX", 0, MAX_CHILDREN - 1, "the child, which Batch sets")
    return Member(
        list_key=required(environment, "SHARD_LIST_KEY", "the key of the list of shards"),
        line=offset + child,
        digits=whole_number(environment, "SHARD_DIGITS", LEAST_DIGITS, MOST_DIGITS, "the digits of a shard's number"),
        file=file_name(environment, "INPUT_KEY"),
    )


def member_shard(connect: Callable[[], Any], bucket: str, member: Member) -> Shard:
    """The member's shard; where there is a list by one request for its line, which `connect` makes the client for.

    Raises JobError or InputError when the line cannot be read, or has no number.
    """
    if member.is_of_all:
        return member.shard(f"{member.line:0{member.digits}d}")
    return member.shard(listed_number(connect(), bucket, member))


def listed_number(client: Any, bucket: str, member: Member) -> str:
    """The digits in the member's line."""
    reader = ObjectReader(client, bucket, member.list_key, "list of shards", span=member.span)
    found = reader.read()
    if not re.fullmatch(rb"[0-9]{%d}" % member.digits, found):
        raise InputError(
            f"list of shards {reader.uri}: found {found!r} at byte {member.span.start} (line {member.line} from 0), "
            f"expected a number of {member.digits} digits; start a new run of this project"
        )
    return found.decode()
