"""Continues the runs that were going when the platform, or its emulator, was killed.

`hpc up` does it when the platform is up again, the supervisor (as `python -m hpc.local.recovery`) when it has started a
dead emulator again.
"""

from __future__ import annotations

import sys
import time

from hpc.connection import to_laptop
from hpc.local import platform
from hpc.resume import continue_interrupted

_WAIT_S = 120


def main() -> None:
    """Waits until the platform answers, then continues what was interrupted; says what it does."""
    give_up_at = time.monotonic() + _WAIT_S
    while (state := platform.running()) is None:
        if time.monotonic() > give_up_at:
            sys.exit("the platform does not answer; its runs are continued by the next `hpc up`")
        time.sleep(0.2)
    continue_interrupted(to_laptop(state), say=lambda text: print(text, flush=True))


if __name__ == "__main__":
    main()
