"""The steps of a workflow as a picture: where each box and line is, left to right or top to bottom."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_GAP_ALONG, _GAP_ACROSS, _MARGIN = 56, 26, 12


@dataclass(frozen=True)
class Shape:
    """How large the boxes are, and how much of a title goes into one: letters a line, lines.

    `inset` is how far the bar and the texts are from a box's sides.
    """

    width: int
    height: int
    title_width: int
    title_lines: int
    inset: int = 16

    @property
    def bar_width(self) -> int:
        return self.width - 2 * self.inset


ACROSS = Shape(width=224, height=76, title_width=23, title_lines=1)
# Two boxes beside each other on a phone.
DOWNWARDS = Shape(width=158, height=96, title_width=14, title_lines=2)


@dataclass(frozen=True)
class Step:
    """A step with how many of its tasks are where; `total` is None until the number of shards is known."""

    state: str
    title: str
    fan_out: bool
    after: tuple[str, ...]
    total: int | None
    succeeded: int
    failed: int
    running: int

    @property
    def tone(self) -> str:
        """What the step looks like: how the worst or the liveliest of its tasks is."""
        if self.running:
            return "running"
        if self.failed:
            return "failed"
        if self.total and self.succeeded >= self.total:
            return "succeeded"
        return "running" if self.succeeded else "waiting"

    def share(self, count: int, width: float = 100.0) -> float:
        """A count as a length, where all tasks are `width`."""
        return round(width * count / self.total, 3) if self.total else 0.0


@dataclass(frozen=True)
class Box:
    """A step's place; `lines` are as much of its title as fits."""

    step: Step
    title: str
    lines: tuple[str, ...]
    x: int
    y: int


@dataclass(frozen=True)
class Picture:
    """All boxes, and the lines between them as SVG paths."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    lines: tuple[str, ...]
    shape: Shape


def steps(workflow: Mapping[str, Any] | None, counts: Sequence[Mapping[str, Any]]) -> list[Step]:
    """The workflow's steps with a run's counts; of a workflow that is gone, the run's own, without lines."""
    known = {each["state"]: each for each in counts}
    described: Iterable[Mapping[str, Any]] = workflow["steps"] if workflow else counts
    return [_step(each, known.get(each["state"], {})) for each in described]


def picture(found: Sequence[Step], in_words: Callable[[str], str], *, downwards: bool = False) -> Picture:
    """Each step one place further than the furthest that it works on; those of one place beside each other.

    `in_words` makes of a step's title what is shown.
    """
    layers: dict[str, int] = {}
    for step in found:
        layers[step.state] = 1 + max((layers.get(each, -1) for each in step.after), default=-1)
    rows = {layer: [step for step in found if layers[step.state] == layer] for layer in sorted(set(layers.values()))}
    widest = max((len(row) for row in rows.values()), default=0)
    shape = DOWNWARDS if downwards else ACROSS
    boxes = {
        step.state: _box(step, in_words(step.title), layer, place + (widest - len(row)) / 2, shape)
        for layer, row in rows.items()
        for place, step in enumerate(row)
    }
    lines = tuple(
        _line(boxes[before], boxes[step.state], shape) for step in found for before in step.after if before in boxes
    )
    return Picture(
        width=max((box.x for box in boxes.values()), default=0) + shape.width + _MARGIN,
        height=max((box.y for box in boxes.values()), default=0) + shape.height + _MARGIN,
        boxes=tuple(boxes.values()),
        lines=lines,
        shape=shape,
    )


def fitted(text: str, width: int, lines: int) -> tuple[str, ...]:
    """`text` in so many lines of so many letters, an ellipsis for the rest; a Chinese character counts as two."""
    found: list[str] = []
    for part in re.findall(r"[ -~]+?(?= |$|[^ -~])|\s|[^ -~]", " ".join(text.split())):
        if not found or _width(found[-1] + part) > width:
            found.append("")
        found[-1] = (found[-1] + part).lstrip()
    last = lines - 1
    return tuple(
        _cut(line, width) if _width(line) > width or (at == last and len(found) > lines) else line.rstrip()
        for at, line in enumerate(found[:lines])
    )


def _cut(line: str, width: int) -> str:
    while line and _width(line) >= width:
        line = line[:-1]
    return line.rstrip() + "…"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _step(described: Mapping[str, Any], counts: Mapping[str, Any]) -> Step:
    total = counts.get("total")
    return Step(
        state=str(described["state"]),
        title=str(described.get("title") or described["state"]),
        fan_out=bool(described.get("fan_out")),
        after=tuple(described.get("after") or ()),
        total=None if total is None else int(total),
        succeeded=int(counts.get("succeeded") or 0),
        failed=int(counts.get("failed") or 0),
        running=int(counts.get("running") or 0),
    )


def _box(step: Step, title: str, layer: int, place: float, shape: Shape) -> Box:
    x: float
    y: float
    if shape is DOWNWARDS:
        x, y = place * (shape.width + _GAP_ACROSS), layer * (shape.height + _GAP_ALONG)
    else:
        x, y = layer * (shape.width + _GAP_ALONG), place * (shape.height + _GAP_ACROSS)
    return Box(step, title, fitted(title, shape.title_width, shape.title_lines), round(x) + _MARGIN, round(y) + _MARGIN)


def _line(start: Box, end: Box, shape: Shape) -> str:
    """A curve that leaves one box and enters the other at right angles."""
    if shape is DOWNWARDS:
        x1, y1 = start.x + shape.width // 2, start.y + shape.height
        x2, y2 = end.x + shape.width // 2, end.y - 5
        middle = (y1 + y2) // 2
        return f"M{x1} {y1}C{x1} {middle} {x2} {middle} {x2} {y2}"
    x1, y1 = start.x + shape.width, start.y + shape.height // 2
    x2, y2 = end.x - 5, end.y + shape.height // 2
    middle = (x1 + x2) // 2
    return f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"
