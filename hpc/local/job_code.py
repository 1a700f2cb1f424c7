"""Tells by a digest which code an image runs, so that other code is noticed as soon as it is on disk."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

#: What every image's Dockerfile copies, beside its own folder.
_SHARED = ("hpc_job", "requirements.txt")
_DOCKERFILE = "Dockerfile"
#: A file that was written within the last moments may be written again without a trace in its times: file systems
#: take the time from a clock that ticks every few milliseconds. Such a state is not remembered.
_SETTLED_NS = 100_000_000

#: A file as `stat` shows it: name, times of its last change, size, number.
_Stat = tuple[str, int, int, int, int]
_Signature = tuple[_Stat, ...]
_known: dict[tuple[Path, str], tuple[_Signature, str]] = {}


def code_digest(jobs_dir: Path, image: str) -> str:
    """SHA-256 in hexadecimal over names and contents of the files that an image's Dockerfile copies, and itself.

    `image` is the image's folder in `jobs_dir`. Byte code and hidden files do not count. What was read once is read
    again only when a file's times, size or number have changed. Safe to call from many threads. Raises OSError for a
    file that cannot be read.
    """
    signature = tuple(_stats(jobs_dir, image))
    known = _known.get((jobs_dir, image))
    if known is not None and known[0] == signature:
        return known[1]
    digest = _digest(jobs_dir, signature)
    newest = max((max(modified, changed) for _, modified, changed, _, _ in signature), default=0)
    if tuple(_stats(jobs_dir, image)) == signature and newest < time.time_ns() - _SETTLED_NS:
        _known[jobs_dir, image] = (signature, digest)
    return digest


def _digest(jobs_dir: Path, signature: _Signature) -> str:
    total = hashlib.sha256()
    for name, *_ in signature:
        content = hashlib.sha256((jobs_dir / name).read_bytes()).hexdigest()
        total.update(f"{content}  {name}\n".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _stats(jobs_dir: Path, image: str) -> Iterator[_Stat]:
    for source in sorted({*_SHARED, image, *_copied(jobs_dir / image / _DOCKERFILE)}):
        yield from _stats_below(str(jobs_dir), source)


def _stats_below(root: str, name: str) -> Iterator[_Stat]:
    """The files of a folder in order of their names, or the file itself; nothing when there is none."""
    path = os.path.join(root, name)  # noqa: PTH118 (called for each file at each start of a job: Path costs five times)
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except NotADirectoryError:
        found = os.stat(path)  # noqa: PTH116 (see above)
        yield name, found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
        return
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.name != "__pycache__" and not entry.name.startswith(".") and not entry.name.endswith(".pyc"):
            if entry.is_dir():
                yield from _stats_below(root, f"{name}/{entry.name}")
            else:
                found = entry.stat()
                yield f"{name}/{entry.name}", found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino


def _copied(dockerfile: Path) -> list[str]:
    """What the COPY lines of a Dockerfile take from the build context; none without a Dockerfile.

    Source: https://docs.docker.com/reference/dockerfile/#copy
    """
    try:
        text = dockerfile.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    sources: list[str] = []
    for line in text.replace("\\\n", " ").splitlines():
        instruction, _, rest = line.strip().partition(" ")
        if instruction.upper() == "COPY" and "--from=" not in rest:
            words = json.loads(rest) if rest.lstrip().startswith("[") else rest.split()
            sources += [str(word).strip("/") for word in words[:-1] if not word.startswith("--")]
    return [os.path.normpath(source) for source in sources]
