"""A variable where others look for it: in the memory that the process was started with."""

import contextlib
import ctypes
import os
from pathlib import Path

#: The variable that a job's strays are found by (see `strays`), and the room for its value in the memory that
#: /proc/<pid>/environ shows.
JOB_ID = "AWS_BATCH_JOB_ID"
JOB_ID_ROOM = 128


class ShownVariable:
    """A variable as /proc/<pid>/environ shows it: the memory that the process was started with, not its environment.

    A fork has its server's; so that a job's processes are found by their job's id, it is written there. Does nothing
    where there is no /proc.
    """

    def __init__(self, name: str, room: int) -> None:
        self._room = room
        self._address = 0
        with contextlib.suppress(OSError, ValueError):
            fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
            start = int(fields[47])  # env_start, the 50th of proc(5)
            marker = f"{name}={'0' * room}\0".encode()
            self._address = start + Path("/proc/self/environ").read_bytes().index(marker) + len(name) + 1

    def set(self, value: str) -> None:
        """Shows a value, cut to the room that there is."""
        if self._address:
            ctypes.memmove(self._address, os.fsencode(value)[: self._room].ljust(self._room, b"\0"), self._room)
