"""Words for people: what they typed, made safe to print; numbers with their nouns."""

from __future__ import annotations

from pathlib import Path


def quoted(value: object, *, limit: int = 60) -> str:
    """What a person gave, printable on one line and cut at `limit` characters.

    >>> quoted("a/b")
    "'a/b'"
    >>> quoted("x" * 200, limit=4)
    "'xxxx...' (200 characters)"
    """
    if not isinstance(value, str):
        text = repr(value)
        return text if len(text) <= limit else f"{text[:limit]}..."
    if len(value) <= limit:
        return repr(value)
    return f"{value[:limit] + '...'!r} ({len(value)} characters)"


def quoted_path(path: Path) -> str:
    """A path, printable on one line; its end tells most, so it is only cut where no file system would allow it."""
    return quoted(str(path), limit=4096)


def printable(text: str) -> str:
    """`text` without anything that a terminal would act on; what is not printable is written as an escape.

    >>> printable("a\\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def plural(number: int, noun: str) -> str:
    """
    >>> plural(1, "job"), plural(10_000, "job")
    ('1 job', '10000 jobs')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
