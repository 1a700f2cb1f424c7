"""Writes the sample that `make run` works on: 100,000 lines of seeded words, the same bytes on every machine."""

from __future__ import annotations

import random
import sys
from pathlib import Path

LINES = 100_000
SEED = 20_240_611
_WORDS = ("soil", "leaf", "spore", "virus", "gene", "read", "contig", "phage", "土壤", "génome", "pH 7.4", "GATTACA")


def write_sample(path: Path, *, lines: int = LINES, seed: int = SEED) -> None:
    """Writes `lines` lines of 3 to 20 words to `path`; does nothing when the file is there."""
    if path.is_file():
        return
    chance = random.Random(seed)  # noqa: S311 -- a sample, not a secret
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        for number in range(1, lines + 1):
            file.write(f"{number:06d} {' '.join(chance.choices(_WORDS, k=chance.randint(3, 20)))}\n")
    temporary.replace(path)


if __name__ == "__main__":
    write_sample(Path(sys.argv[1]))
