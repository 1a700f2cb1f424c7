"""Which parts a merged object is made of: outputs that S3 copies, and runs of outputs that are read and joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hpc_job.multipart_upload import LEAST_PART_BYTES, MAX_PARTS

MIB = 1024 * 1024

# What is read is held in memory until it is sent: such a part has less than the larger of 21 MiB and twice the least.
JOINED_PART_BYTES = 16 * MIB
LARGEST_LEAST_BYTES = 64 * MIB
# S3 copies up to 5 GiB in a part, but answers when it has: several of them at once must take far less than the minute
# that the client waits, also on a laptop, which copies 50 MB/s. Beyond 313 GiB in all, pieces have to be larger.
# Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
COPIED_PIECE_BYTES = 64 * MIB
LARGEST_PIECE_BYTES = 5 * 1024 * MIB


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from `start` of output `first` up to `stop`, exclusive, of output `last`.

    A part that is copied lies in one output. One that is joined starts at the beginning of its first output.
    """

    first: int
    start: int
    last: int
    stop: int
    copied: bool

    def pieces(self, sizes: Sequence[int]) -> Iterator[tuple[int, range]]:
        """Each output that has bytes in this part, with the positions of these bytes."""
        for index in range(self.first, self.last + 1):
            start = self.start if index == self.first else 0
            yield index, range(start, self.stop if index == self.last else sizes[index])


def plan_parts(sizes: Sequence[int]) -> list[Part]:
    """The parts in order for outputs of these sizes; together they are every byte once.

    Each part but the last has what S3 asks for at least. A run of outputs that is too small for a part takes what it
    lacks from the output after it. There are at most 10,000 parts when the outputs together have 624 GiB or less.
    """
    least, largest = least_part_bytes(sum(sizes)), largest_copy_bytes(sum(sizes))
    parts: list[Part] = []
    first, held = 0, 0  # the run of outputs that wait to be joined: where it begins, and its bytes
    for index, size in enumerate(sizes):
        if size < least:
            first = first if held else index
            held += size
            if held >= max(least, JOINED_PART_BYTES):
                parts.append(Part(first, 0, index, size, copied=False))
                held = 0
            continue
        taken = 0
        if held >= least:
            parts.append(Part(first, 0, index - 1, sizes[index - 1], copied=False))
        elif held:
            taken = least - held
            if size - taken < least:  # what is left would be too small to be copied
                taken = size
            parts.append(Part(first, 0, index, taken, copied=False))
        held = 0
        parts += copies(index, taken, size, largest=largest)
    if held:
        parts.append(Part(first, 0, len(sizes) - 1, sizes[-1], copied=False))
    return parts


def least_part_bytes(total: int) -> int:
    """Bytes of each part but the last, with which so many bytes need no more parts than S3 permits."""
    return min(max(LEAST_PART_BYTES, -(-total // (MAX_PARTS - 1))), LARGEST_LEAST_BYTES)


def largest_copy_bytes(total: int) -> int:
    """Bytes of a copied part at most; twice what a part must have, so that halves of an output are not too small."""
    return min(max(COPIED_PIECE_BYTES, 2 * -(-total // (MAX_PARTS - 1))), LARGEST_PIECE_BYTES)


def copies(index: int, start: int, stop: int, *, largest: int) -> Iterator[Part]:
    """These bytes of an output in parts of about equal size."""
    number = -(-(stop - start) // largest)
    for part in range(number):
        begin, end = ((stop - start) * n // number for n in (part, part + 1))
        yield Part(index, start + begin, index, start + end, copied=True)
