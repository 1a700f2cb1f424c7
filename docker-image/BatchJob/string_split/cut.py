"""Cuts whole lines into shards; pure functions over streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hpc_job.text import LF

FEW_LINES = 64  # from here on looking for each line's end is faster than counting in ever smaller windows


def cut(blocks: Iterable[bytes], lines_per_shard: int) -> Iterator[tuple[int, bytes]]:
    """Each shard's number, from 0, with the next piece of its text; the pieces joined are the blocks joined."""
    shard = 0
    wanted = lines_per_shard
    for block in blocks:
        start = 0
        lines_left = block.count(LF)
        while start < len(block):
            if lines_left < wanted:
                yield shard, block[start:]
                wanted -= lines_left
                break
            end = after_lines(block, start, wanted)
            yield shard, block[start:end]
            start = end
            lines_left -= wanted
            shard += 1
            wanted = lines_per_shard


def after_lines(block: bytes, start: int, lines: int) -> int:
    """Position after so many lines from `start`; there must be so many line ends. Looks at each byte once."""
    while lines > FEW_LINES:
        # n bytes hold at most n line ends: a window of that size cannot reach beyond the last line wanted
        end = start + lines
        lines -= block.count(LF, start, end)
        start = end
    for _ in range(lines):
        start = block.index(LF, start) + 1
    return start


def smallest_lines_per_shard(lines: int, max_shards: int) -> int:
    """The fewest lines a shard with which so many lines need no more than `max_shards` shards.

    >>> smallest_lines_per_shard(100_001, 10_000)
    11
    """
    return -(-lines // max_shards)
