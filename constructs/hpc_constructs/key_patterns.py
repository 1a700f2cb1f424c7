"""Patterns of S3 keys: who may touch which keys of which bucket. Imports no CDK, so that settings can use it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

# Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET_NAME = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_KEY_PATTERN = r"(?!/)[A-Za-z0-9!_.*'()=/-]{1,1024}"


@dataclass(frozen=True)
class BucketKeys:
    """Keys of one bucket; `*` in a pattern stands for any characters, as in IAM."""

    bucket: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class ObjectAccess:
    """What may be done with keys of the `input` or the `output` bucket; `*` in `keys` stands for any characters."""

    bucket: str
    keys: str
    gets: bool = False
    lists: bool = False
    puts: bool = False
    tagged: bool = False
    deletes: bool = False


def parse_bucket_keys(text: str) -> tuple[BucketKeys, ...]:
    """Reads `bucket:raw/*;bucket2:x/*,y/*`. Raises ValueError for anything else and for a bucket that comes twice."""
    parsed: dict[str, BucketKeys] = {}
    for entry in text.split(";"):
        bucket, _, keys = (part.strip() for part in entry.partition(":"))
        patterns = tuple(pattern.strip() for pattern in keys.split(","))
        if bucket in parsed or not re.fullmatch(BUCKET_NAME, bucket):
            raise ValueError(bucket)
        if not all(re.fullmatch(_KEY_PATTERN, pattern) for pattern in patterns):
            raise ValueError(keys)
        parsed[bucket] = BucketKeys(bucket, patterns)
    return tuple(parsed.values())


def narrowed(patterns: Iterable[str], allowed: Iterable[str]) -> tuple[str, ...]:
    """The patterns, cut down to what `allowed` permits; empty when nothing is left.

    Every key that a returned pattern matches is matched by one of `patterns` and by one of `allowed`. The reverse
    does not hold: folders are compared one by one, so a `*` that would have to span '/' may be cut away.
    """
    both = [_intersection(pattern, limit) for pattern in patterns for limit in allowed]
    return tuple(dict.fromkeys(pattern for pattern in both if pattern is not None))


def _intersection(pattern: str, limit: str) -> str | None:
    return _join(pattern.split("/"), limit.split("/"))


def _join(left: list[str], right: list[str]) -> str | None:
    """Compares folder by folder; a last `*` of either side matches all that is left of the other."""
    if left == ["*"]:
        return "/".join(right)
    if right == ["*"]:
        return "/".join(left)
    if not left or not right:
        return None
    first = _narrower(left[0], right[0])
    if first is None:
        return None
    if len(left) == len(right) == 1:
        return first
    rest = _join(left[1:], right[1:])
    return None if rest is None else f"{first}/{rest}"


def _narrower(left: str, right: str) -> str | None:
    """One folder's name or pattern: the one that the other one matches, if either does."""
    if left == right or ("*" not in left and fnmatchcase(left, right)) or right == "*":
        return left
    if ("*" not in right and fnmatchcase(right, left)) or left == "*":
        return right
    return None
