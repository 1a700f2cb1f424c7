"""What a figure was measured on, in one line beside it."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime

# A load above this many per core means that something else is at work.
QUIET_LOAD = 0.5


def machine_line() -> str:
    """Date, cores, memory and Python; and a warning when the machine is busy with other things."""
    cores = os.cpu_count() or 1
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    load = os.getloadavg()[0]
    told = f"{datetime.now(UTC):%Y-%m-%d}, {cores} cores, {memory_gb:.0f} GB, Python {platform.python_version()}"
    if load > QUIET_LOAD * cores:
        told += f"; the machine is busy (load {load:.1f}): expect worse figures than on a quiet one"
    return told
