"""Sizes of listed objects by key, in little memory: a run of a million shards lists seven million keys."""

import re
from array import array
from collections.abc import Iterator, Mapping

# `<start><5 or 6 digits><end>`: the shards of a run, what was made of them, and their records.
NUMBERED = re.compile(r"(.*_)([0-9]{5,6})(\.json|\.failed\.json|)", re.DOTALL)
ABSENT = -1


class ListedSizes(Mapping[str, int]):
    """A mapping of keys to sizes in bytes.

    Keys that differ in a number only are kept as an array by that number: eight bytes each instead of three hundred.
    """

    def __init__(self, sizes: Mapping[str, int] | None = None) -> None:
        self._numbered: dict[tuple[str, int, str], array[int]] = {}
        self._others: dict[str, int] = {}
        for key, size in (sizes or {}).items():
            self.add(key, size)

    def add(self, key: str, size: int) -> None:
        found = NUMBERED.fullmatch(key)
        if found is None:
            self._others[key] = size
            return
        number = int(found[2])
        sizes = self._numbered.setdefault((found[1], len(found[2]), found[3]), array("q"))
        if number >= len(sizes):
            sizes.extend([ABSENT] * (number + 1 - len(sizes)))
        sizes[number] = size

    def merge(self, other: "ListedSizes") -> None:
        """Takes over all keys of a listing under another prefix; one key in both has the other's size."""
        self._others |= other._others
        for name, sizes in other._numbered.items():
            mine = self._numbered.get(name)
            if mine is None:
                self._numbered[name] = sizes
                continue
            mine.extend([ABSENT] * (len(sizes) - len(mine)))
            for number, size in enumerate(sizes):
                if size != ABSENT:
                    mine[number] = size

    def __getitem__(self, key: str) -> int:
        found = NUMBERED.fullmatch(key)
        if found is None:
            return self._others[key]
        sizes = self._numbered.get((found[1], len(found[2]), found[3]))
        number = int(found[2])
        if sizes is None or number >= len(sizes) or sizes[number] == ABSENT:
            raise KeyError(key)
        return sizes[number]

    def __iter__(self) -> Iterator[str]:
        yield from self._others
        for (start, digits, end), sizes in self._numbered.items():
            for number, size in enumerate(sizes):
                if size != ABSENT:
                    yield f"{start}{number:0{digits}d}{end}"

    def __len__(self) -> int:
        return sum(1 for _ in self)
