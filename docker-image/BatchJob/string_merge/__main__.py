"""python -m string_merge: the outputs of one branch into one object, in input order."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from hpc_job.run import run
from string_merge.merge import merge_branch


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Returns the exit code; the environment is described in the Dockerfile."""
    return run(merge_branch, argv, env)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
