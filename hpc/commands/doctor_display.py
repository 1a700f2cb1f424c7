"""What `hpc doctor` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from hpc.checks.findings import FOUND, OK, UNKNOWN, Line
from hpc.wording import plural, printable

_STYLES = {OK: "green", FOUND: "red", UNKNOWN: "yellow"}


def lines_table(lines: Sequence[Line]) -> Table:
    """What was checked, how it came out, in one sentence, and below it what to do."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("CHECKED", "RESULT"):
        table.add_column(column, no_wrap=True)
    table.add_column("WHY, AND WHAT TO DO", overflow="fold")
    for line in lines:
        fix = [f"\n-> {_text(line.fix)}"] if line.fix else []
        table.add_row(
            line.check, Text(line.status, style=_STYLES[line.status]), Text.assemble(_text(line.sentence), *fix)
        )
    return table


def summary(lines: Sequence[Line]) -> str:
    """How many of each."""
    found, unknown = (sum(line.status == status for line in lines) for status in (FOUND, UNKNOWN))
    more = f", {plural(unknown, 'check')} could not be made" if unknown else ""
    return f"{plural(found, 'finding') if found else 'Nothing found'}{more}"


def _text(text: str) -> str:
    """Advice may have several lines."""
    return "\n".join(map(printable, text.split("\n")))
