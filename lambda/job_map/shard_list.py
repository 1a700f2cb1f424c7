"""The split's list of shards: read as a stream and verified line by line, then kept as two numbers.

A shard's name is `<file>_<number>`, its number filled up with zeros to one length for all of them: so the number of
shards and of digits tell all names, and a million of them need no memory.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from map_event import JobMapEvent

LEAST_DIGITS, MOST_DIGITS = 5, 6


class ShardListMalformed(Exception):
    """The split's list of shards holds a line that is not the key of the shard that belongs there."""


@dataclass(frozen=True)
class Shards:
    """All shards of the run; `digits` are those of the number at the end of each name."""

    file: str
    count: int
    digits: int

    def number(self, index: int) -> str:
        return f"{index:0{self.digits}d}"

    def name(self, index: int) -> str:
        return f"{self.file}_{self.number(index)}"


def read_list(chunks: Iterable[bytes], request: JobMapEvent) -> Shards:
    """The shards in a list of one full S3 key a line.

    Raises ShardListMalformed when a line is not the key of its shard: a cut or foreign list would lose input unseen.
    """
    uri = f"s3://{request.bucket}/{request.shard_list_key}"
    prefix = f"{request.results}{request.split_state}/{request.file}_"
    start, digits, index = prefix.encode(), LEAST_DIGITS, 0
    for line in lines(chunks):
        if not line.endswith(b"\n"):
            raise ShardListMalformed(
                f"{uri}: found a last line without a line end, expected one key a line, each ended by LF"
            )
        if index == 0:
            digits = min(max(LEAST_DIGITS, len(line) - len(start) - 1), MOST_DIGITS)
        if line != b"%b%0*d\n" % (start, digits, index):
            raise ShardListMalformed(
                f"{uri}: found {as_text(line[:-1], uri)!r:.300} in line {index + 1}, "
                f"expected {f'{prefix}{index:0{digits}d}'!r}"
            )
        index += 1
    return Shards(file=request.file, count=index, digits=digits)


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines with their LF; not splitlines(), which also ends them at other characters. The last may have none."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line + b"\n" for line in whole)
    if rest:
        yield rest


def as_text(line: bytes, uri: str) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise ShardListMalformed(f"{uri}: found bytes that are not UTF-8 ({error}), expected keys in UTF-8") from error
