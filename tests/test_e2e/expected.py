"""What the string workflow must give, computed in another way than the jobs do: byte by byte, slowly, plainly."""

from __future__ import annotations


def lines_and_terminators(data: bytes) -> list[tuple[bytes, bytes]]:
    """(content, terminator) of each line; LF and CRLF end a line, a lone CR does not."""
    found = []
    for piece in data.split(b"\n"):
        found.append((piece[:-1], b"\r\n") if piece.endswith(b"\r") else (piece, b"\n"))
    tail = data.split(b"\n")[-1]
    found[-1] = (tail, b"")
    return found if tail else found[:-1]


def repeated(data: bytes) -> bytes:
    return b"".join(content + content + end for content, end in lines_and_terminators(data))


def reversed_by_characters(data: bytes) -> bytes:
    return b"".join(b"".join(reversed(characters(content))) + end for content, end in lines_and_terminators(data))


def characters(content: bytes) -> list[bytes]:
    """The UTF-8 characters of a line; a byte that belongs to none is one by itself."""
    found, position = [], 0
    while position < len(content):
        size = next((n for n in (1, 2, 3, 4) if is_character(content[position : position + n], n)), 1)
        found.append(content[position : position + size])
        position += size
    return found


def is_character(piece: bytes, size: int) -> bool:
    if len(piece) != size:
        return False
    try:
        return len(piece.decode("utf-8")) == 1
    except UnicodeDecodeError:
        return False
