"""Scratch folders: each attempt has one of its own, empty at its start."""

import logging
import os
import shutil
import stat
import tempfile
import threading
from pathlib import Path

_LOG = logging.getLogger(__name__)


class ScratchFolders:
    """Makes and removes scratch folders below one folder; one that comes back empty is used again.

    Making and removing a folder costs a small job more than anything else that is done for it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        #: Empty folders, each with the time of its last change.
        self._empty: list[tuple[Path, int]] = []
        self._lock = threading.Lock()

    def take(self) -> Path:
        """An empty folder that nobody else has."""
        with self._lock:
            folder, changed_ns = self._empty.pop() if self._empty else (None, 0)
        if folder is not None and _changed_ns(folder) == changed_ns:
            return folder
        self._root.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="attempt-", dir=self._root))

    def give_back(self, folder: Path) -> None:
        """Takes a folder back when its attempt has ended; what is in it is removed."""
        changed_ns = _changed_ns(folder)
        if changed_ns is not None and next(folder.iterdir(), None) is None:
            with self._lock:
                self._empty.append((folder, changed_ns))
        else:
            _remove(folder)

    def close(self) -> None:
        """Removes the folders that nobody has."""
        with self._lock:
            folders, self._empty = self._empty, []
        for folder, _ in folders:
            _remove(folder)


def _changed_ns(folder: Path) -> int | None:
    """When something was made or removed in a folder; None when it is no folder that its owner alone may use."""
    try:
        found = folder.lstat()
    except OSError:
        return None
    return found.st_mtime_ns if found.st_mode == stat.S_IFDIR | stat.S_IRWXU else None


def _remove(folder: Path) -> None:
    """Removes a folder, with what a job made unreadable in it."""
    shutil.rmtree(folder, ignore_errors=True)
    if not folder.exists():
        return
    folder.chmod(stat.S_IRWXU)
    for parent, names, _ in os.walk(folder):
        for name in names:
            inner = Path(parent, name)
            if not inner.is_symlink():
                inner.chmod(stat.S_IRWXU)
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        _LOG.warning("the scratch folder %s could not be removed", folder)
