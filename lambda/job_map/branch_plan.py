"""What each branch has to do, as the Map's items: single shards, or groups of them above a number.

A group is one Batch array job; its child number i does the shard in line `offset` + i of the list beside the manifest.
When all shards are to do, that is shard `offset` + i, and there is no list: each child is spared a request.
Source: https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html (2 to 10,000 children)
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from map_event import JobMapEvent
from shard_list import Shards

LARGEST_GROUP = 10_000
# Shards whose records one listing asks for: ten pages of 1,000 keys.
LISTED_TOGETHER_DIGITS = 4


@dataclass(frozen=True)
class BranchPlan:
    """What one branch has to do in this try, as the numbers of the shards in input order."""

    shards: Shards
    to_do: Sequence[int]
    merge_to_do: bool
    grouped: bool

    @property
    def is_of_all(self) -> bool:
        """Whether all shards are to do, so that groups need no list."""
        return len(self.to_do) == self.shards.count

    @property
    def groups(self) -> Iterator[tuple[int, int]]:
        """Offset and size of each group; sizes differ by one at most, so that none of them is a single shard."""
        number = -(-len(self.to_do) // LARGEST_GROUP)
        least, larger = divmod(len(self.to_do), number)
        offset = 0
        for index in range(number):
            size = least + (index < larger)
            yield offset, size
            offset += size

    def items(self) -> Iterator[dict[str, str | int]]:
        """The Map's items, all with the same fields."""
        if self.grouped:
            for index, (offset, size) in enumerate(self.groups):
                yield {"index": index, "shard": "", "offset": offset, "size": size}
        else:
            for number in self.to_do:
                yield {"index": number, "shard": self.shards.name(number), "offset": 0, "size": 1}

    def shard_lines(self) -> bytes:
        """The numbers of the shards to do, a line each and all lines of one length."""
        return "".join(f"{self.shards.number(number)}\n" for number in self.to_do).encode()


def plan_branch(request: JobMapEvent, shards: Shards, done: bytearray, *, merged: bool) -> BranchPlan:
    """`done` has a 1 for each shard that is done; `merged` whether the branch's merge is."""
    to_do = [number for number, is_done in enumerate(done) if not is_done]
    return BranchPlan(
        shards=shards,
        to_do=to_do,
        merge_to_do=bool(to_do) or not merged,
        grouped=len(to_do) > request.group_above,
    )


def shard_list_key(request: JobMapEvent, state: str, branch: BranchPlan) -> str:
    """Where the children of groups find their shards; the key of a list that is not written says that all are to do."""
    return request.to_do_key(state, ".all" if branch.is_of_all else ".shards")


def record_prefixes(request: JobMapEvent, state: str, shards: Shards) -> list[str]:
    """Prefixes of keys that together are those of all the branch's records, so that they can be listed side by side."""
    start = f"{request.records}{state}/{shards.file}_"
    leading = shards.digits - LISTED_TOGETHER_DIGITS
    parts = -(-shards.count // 10**LISTED_TOGETHER_DIGITS)
    return [f"{start}{part:0{leading}d}" for part in range(parts)]


def mark_done(done: bytearray, keys: Iterable[str], request: JobMapEvent, state: str, shards: Shards) -> None:
    """Notes the shards whose records these keys are; others, such as those of failure records, are no shards'."""
    start, end = f"{request.records}{state}/{shards.file}_", ".json"
    length = len(start) + shards.digits + len(end)
    for key in keys:
        if len(key) == length and key.startswith(start) and key.endswith(end):
            number = key[len(start) : -len(end)]
            if number.isascii() and number.isdecimal() and int(number) < shards.count:
                done[int(number)] = 1
