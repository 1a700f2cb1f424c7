"""python -m string_repeat: one shard, every line twice in a row on one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial

from hpc_job.run import run
from hpc_job.shard import process_shard
from string_repeat.repeat import repeat_lines


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Returns the exit code; the environment is described in the Dockerfile."""
    return run(partial(process_shard, prefix="repeat", transform=repeat_lines), argv, env)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
