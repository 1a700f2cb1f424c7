"""python -m string_reverse: one shard, the characters of every line in reverse."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial

from hpc_job.run import run
from hpc_job.shard import process_shard
from string_reverse.reverse import reverse_lines


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Returns the exit code; the environment is described in the Dockerfile."""
    return run(partial(process_shard, prefix="reverse", transform=reverse_lines), argv, env)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
