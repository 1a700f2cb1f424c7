"""Every line twice in a row on one line: `abc` becomes `abcabc`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hpc_job.text import CHUNK_BYTES, CR, LF, is_one_line, parted


def repeat_lines(blocks: Iterable[bytes], *, piece_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The text of every line twice, then its terminator; blocks are whole lines, pieces come out as they fit.

    A line longer than `piece_bytes` comes out in pieces, so that it is held only once.
    """
    for block in blocks:
        if len(block) > piece_bytes and is_one_line(block):
            yield from repeat_long_line(block, piece_bytes)
        else:
            yield repeat_block(block)


def repeat_block(block: bytes) -> bytes:
    """All lines of a block at once; the last may lack its terminator."""
    lines = block.split(LF)
    if CR not in block:
        return LF.join([line * 2 for line in lines])
    # a CR before the LF belongs to the terminator: it is written once, at the end
    unterminated = lines.pop()
    repeated = [line[:-1] + line if line.endswith(CR) else line * 2 for line in lines]
    repeated.append(unterminated * 2)
    return LF.join(repeated)


def repeat_long_line(line: bytes, piece_bytes: int) -> Iterator[bytes]:
    text, terminator = parted(line)
    for _ in range(2):
        for start in range(0, len(text), piece_bytes):
            yield text[start : start + piece_bytes]
    yield terminator
