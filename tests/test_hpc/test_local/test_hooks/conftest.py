"""Hooks of the emulator, in a process of their own: ministack reads its settings when it is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from hpc.local import emulator
from hpc.local.configuration import PlatformConfig


def run(folder: Path, code: str, *, given: str = "", timeout_s: float = 30) -> list:
    """Runs code with the emulator's settings and `given` to read; gives what it printed, a JSON document a line."""
    config = PlatformConfig.make(state_dir=folder, project_root=folder, port=4566, region="us-east-1", last=None)
    environment = {**emulator.settings(config), "HOME": str(folder), "TMPDIR": str(folder)}
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]
