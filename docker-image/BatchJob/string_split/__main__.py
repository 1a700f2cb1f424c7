"""python -m string_split: one text file into shards of SPLIT_NUM lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from hpc_job.run import run
from string_split.split import split_input


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Returns the exit code; the environment is described in the Dockerfile."""
    return run(split_input, argv, env)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
