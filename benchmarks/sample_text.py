"""The text that benchmarks work on, the same bytes on every machine, and what must become of it.

A text is some blocks of 100,000 lines. Blocks differ in their first line only, so that a large text is written and
checked at the speed of the disk; every byte is written, and no two shards that hold a first line are the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from math import ceil
from pathlib import Path

SEED = 20_261_125
WORDS = ("soil", "leaf", "spore", "virus", "gene", "read", "contig", "phage", "土壤", "génome", "pH 7.4", "GATTACA")
# With its number before it, a line of so many words has 111 bytes in the mean.
FEWEST_WORDS, MOST_WORDS = 7, 26
LINES_OF_A_BLOCK = 100_000


class WrongResult(Exception):
    """A result is not what the text must become."""


@cache
def body() -> str:
    """All lines of a block but its first: numbered, seeded words."""
    chance = random.Random(SEED)
    return "".join(
        f"{number:07d} {' '.join(chance.choices(WORDS, k=chance.randint(FEWEST_WORDS, MOST_WORDS)))}\n"
        for number in range(1, LINES_OF_A_BLOCK)
    )


def first_line(block: int) -> str:
    return f"block {block:09d}\n"


def blocks_for(size_bytes: int) -> int:
    """How many blocks a text of at least that size has."""
    return max(1, ceil(size_bytes / len((first_line(0) + body()).encode())))


def write_text(path: Path, blocks: int) -> int:
    """Writes a text of so many blocks; returns its bytes."""
    rest = body().encode()
    with path.open("wb") as file:
        for block in range(blocks):
            file.write(first_line(block).encode())
            file.write(rest)
    return path.stat().st_size


def repeated(text: str) -> str:
    """Each line's text twice; plain Python, so that neither our jobs nor `sed` is checked against itself."""
    return "".join(f"{line}{line}\n" for line in text.removesuffix("\n").split("\n"))


def reversed_lines(text: str) -> str:
    """Each line's characters backwards."""
    return "".join(f"{line[::-1]}\n" for line in text.removesuffix("\n").split("\n"))


def check_result(path: Path, blocks: int, change: Callable[[str], str]) -> None:
    """Compares every byte of a result with what must become of the text; raises WrongResult."""
    rest = change(body()).encode()
    with path.open("rb") as file:
        for block in range(blocks):
            for expected in (change(first_line(block)).encode(), rest):
                position = file.tell()
                found = file.read(len(expected))
                if found != expected:
                    same = next(
                        (i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), len(found)
                    )
                    raise WrongResult(
                        f"{path.name}: found {found[same : same + 20]!r} at byte {position + same}, "
                        f"expected {expected[same : same + 20]!r}"
                    )
        if rest := file.read(20):
            raise WrongResult(f"{path.name}: found {rest!r} behind its end, expected {blocks} blocks")


def check_results(repeat: Path, reverse: Path, blocks: int) -> None:
    """Compares both results of the string workflow; raises WrongResult."""
    check_result(repeat, blocks, repeated)
    check_result(reverse, blocks, reversed_lines)
