"""Text as bytes in whole lines, with constant memory; pure functions over streams.

A line ends in LF or CRLF; the last line may end without. A CR anywhere else is an ordinary character.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from hpc_job.errors import InputError

LF = b"\n"
CR = b"\r"
CRLF = b"\r\n"

CHUNK_BYTES = 256 * 1024  # what fits a core's cache is processed half as fast again as blocks of 1 MiB
MAX_LINE_BYTES = 64 * 1024 * 1024  # with its terminator; a line is held in memory once


class Measure:
    """Size of a text, its lines, the bytes of its terminators and its checksum, taken while it streams by."""

    def __init__(self) -> None:
        self.bytes = 0
        self.terminated_lines = 0
        self.terminator_bytes = 0
        self._sha256 = hashlib.sha256()
        self._last_byte = b""

    def update(self, data: bytes) -> None:
        """Adds data, which may be cut anywhere, even between CR and LF."""
        if not data:
            return
        line_ends = data.count(LF)
        crlf_ends = int(self._last_byte == CR and data.startswith(LF))
        if CR in data:  # one byte is found ten times as fast as two, and most texts have none
            crlf_ends += data.count(CRLF)
        self.bytes += len(data)
        self.terminated_lines += line_ends
        self.terminator_bytes += line_ends + crlf_ends
        self._sha256.update(data)
        self._last_byte = data[-1:]

    @property
    def lines(self) -> int:
        """Terminated lines, and one more for a last line without a terminator."""
        return self.terminated_lines + (self._last_byte not in (b"", LF))

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def as_record(self) -> dict[str, Any]:
        """The fields that every record has of an object."""
        return {
            "bytes": self.bytes,
            "lines": self.lines,
            "terminator_bytes": self.terminator_bytes,
            "sha256": self.sha256,
        }


def measured(chunks: Iterable[bytes], measure: Measure) -> Iterator[bytes]:
    """The chunks unchanged, each of them measured before it is handed on."""
    for chunk in chunks:
        measure.update(chunk)
        yield chunk


def whole_lines(chunks: Iterable[bytes], name: str, *, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[bytes]:
    """Blocks that end where a line ends; only the last one may end without a terminator.

    A block is either lines that lie in one chunk, or a single line that began in an earlier one. No chunk may be
    longer than `max_line_bytes`. Raises InputError with `name` and the line's number when a line is longer.
    """
    line_number = 1
    held: list[bytes] = []
    held_bytes = 0
    for chunk in chunks:
        start = 0
        if held:
            start = chunk.find(LF) + 1
            held.append(chunk[:start] if start else chunk)
            held_bytes += len(held[-1])
            if held_bytes > max_line_bytes:
                raise InputError(
                    f"{name}: found a line of more than {max_line_bytes} bytes (line {line_number}), "
                    f"expected lines of at most {max_line_bytes} bytes with their terminators; break this line up"
                )
            if not start:
                continue
            line, held = b"".join(held), []
            yield line
            line_number += 1
        end = chunk.rfind(LF) + 1
        if end > start:
            block = chunk[start:end]
            yield block
            line_number += block.count(LF)
        rest = chunk[max(start, end) :]
        held, held_bytes = [rest] if rest else [], len(rest)
    if held:
        yield b"".join(held)


def parted(line: bytes) -> tuple[bytes, bytes]:
    """A line's text and its terminator, which is LF, CRLF or nothing."""
    if line.endswith(CRLF):
        return line[:-2], CRLF
    if line.endswith(LF):
        return line[:-1], LF
    return line, b""


def is_one_line(block: bytes) -> bool:
    """True when no line ends before the block's last byte."""
    return block.find(LF, 0, len(block) - 1) < 0
