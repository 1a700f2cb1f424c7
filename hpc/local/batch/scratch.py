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
        self._empty: list[Path] = []
        self._lock = threading.Lock()

    def take(self) -> Path:
        """An empty folder that nobody else has."""
        with self._lock:
            folder = self._empty.pop() if self._empty else None
        if folder is not None and _is_as_new(folder):
            return folder
        self._root.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="attempt-", dir=self._root))

    def give_back(self, folder: Path) -> None:
        """Takes a folder back when its attempt has ended; what is in it is removed."""
        if _is_as_new(folder):
            with self._lock:
                self._empty.append(folder)
        else:
            _remove(folder)

    def close(self) -> None:
        """Removes the folders that nobody has."""
        with self._lock:
            folders, self._empty = self._empty, []
        for folder in folders:
            _remove(folder)


def _is_as_new(folder: Path) -> bool:
    try:
        found = folder.lstat()
        is_mine = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) == stat.S_IRWXU
        return is_mine and next(folder.iterdir(), None) is None
    except OSError:
        return False


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
