"""Names of shards: the file's name and a number that has as many digits as the number of the last one may need.

Name order is then input order, however many shards there are.
"""

from __future__ import annotations

MAX_SHARDS = 1_000_000
LEAST_DIGITS = 5
MOST_DIGITS = len(str(MAX_SHARDS - 1))


def shard_digits(input_bytes: int, lines_per_shard: int) -> int:
    """Digits of the numbers of all shards of an input, known before it is read: a line has at least one byte.

    >>> shard_digits(1_000, 10), shard_digits(1_000_010, 10)
    (5, 6)
    """
    most = min(MAX_SHARDS, -(-input_bytes // lines_per_shard))
    return max(LEAST_DIGITS, len(str(max(most - 1, 0))))


def shard_name(file: str, number: int, digits: int) -> str:
    """Name of a shard.

    >>> shard_name("lines.txt", 7, 5)
    'lines.txt_00007'
    """
    return f"{file}_{number:0{digits}d}"
