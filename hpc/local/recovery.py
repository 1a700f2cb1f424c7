"""Continues the runs that were going when the platform, or its emulator, was killed.

`hpc up` does it when the platform is up again, the supervisor (as `python -m hpc.local.recovery`) when it has started a
dead emulator again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from hpc.connecting import to_laptop
from hpc.connection import reporting_unreachable
from hpc.errors import HpcError
from hpc.interrupted import continue_interrupted
from hpc.local import platform
from hpc.local.platform import PlatformState

_WAIT_S = 120


def continue_runs(state: PlatformState, say: Callable[[str], None]) -> None:
    """Continues every run that was interrupted; raises HpcError when the platform does not answer."""
    with reporting_unreachable():
        continue_interrupted(to_laptop(state), say)


def main() -> None:
    """Waits until the platform answers, then continues what was interrupted, saying so."""
    give_up_at = time.monotonic() + _WAIT_S
    while (state := platform.running()) is None:
        if time.monotonic() > give_up_at:
            sys.exit("the platform does not answer; its runs are continued by the next `hpc up`")
        time.sleep(0.2)
    try:
        continue_runs(state, lambda text: print(text, flush=True))
    except HpcError as error:
        sys.exit(f"runs could not be continued: {error}")


if __name__ == "__main__":
    main()
