"""The characters of every line in reverse, as `rev` does in a UTF-8 locale.

A byte that is not valid UTF-8 counts as one character and survives: that is what Python's surrogateescape does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hpc_job.text import CHUNK_BYTES, CR, LF, is_one_line, parted

MAX_CONTINUATION_BYTES = 3  # a UTF-8 character has one first byte and at most so many others


def reverse_lines(blocks: Iterable[bytes], *, piece_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The text of every line in reverse, then its terminator; blocks are whole lines, pieces come out as they fit.

    A line longer than `piece_bytes` is reversed piece by piece from its end: decoded at once it would take up to
    eight times its size.
    """
    for block in blocks:
        if len(block) > piece_bytes and is_one_line(block):
            yield from reverse_long_line(block, piece_bytes)
        else:
            yield reverse_block(block)


def reverse_block(block: bytes) -> bytes:
    """All lines of a block at once; the last may lack its terminator.

    The whole block is reversed, which also reverses the order of its lines; so that order is reversed again. LF is
    in no other character's bytes, hence decoding the block finds the same characters as decoding line by line, and
    it may be cut into lines as bytes again, which is faster than as text.
    """
    lines = encoded(decoded(block)[::-1]).split(LF)
    if CR in block:
        # what stood before an LF comes after it now; a CR there belongs to the terminator and goes back to the end
        terminated = lines[1:]
        lines[1:] = [line[1:] + CR if line.startswith(CR) else line for line in terminated]
    lines.reverse()
    return LF.join(lines)


def reverse_long_line(line: bytes, piece_bytes: int) -> Iterator[bytes]:
    text, terminator = parted(line)
    end = len(text)
    while end > 0:
        start = character_start(text, max(0, end - piece_bytes))
        yield encoded(decoded(text[start:end])[::-1])
        end = start
    yield terminator


def character_start(text: bytes, position: int) -> int:
    """Where the character begins that the byte at `position` belongs to.

    Three continuation bytes before a fourth leave no room for a first byte: that fourth is a character of its own.
    """
    for start in range(position, max(-1, position - MAX_CONTINUATION_BYTES - 1), -1):
        if not is_continuation(text[start]):
            return start
    return position


def is_continuation(byte: int) -> bool:
    return byte & 0b1100_0000 == 0b1000_0000


def decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
