"""One process of the platform: how it starts, dies and ends."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpc.local.child import Child


def child(folder, code: str) -> Child:
    return Child(name="child", command=[sys.executable, "-c", code], environment={}, folder=folder, end_within_s=0.5)


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def test_a_child_that_has_ended_is_seen_to_have_died(tmp_path):
    made = child(tmp_path, "print('its last words')")
    made.start(tmp_path / "log")
    made.process.wait()
    assert made.has_died()
    assert (tmp_path / "log").read_text() == "its last words\n"


def test_a_child_is_started_although_its_log_cannot_be_opened(tmp_path):
    made = child(tmp_path, "print('its last words'); raise SystemExit(7)")
    made.start(tmp_path / "missing" / "log")
    assert made.process.wait(10) == 7


def test_a_child_that_does_not_end_when_asked_is_ended_by_force(tmp_path):
    made = child(
        tmp_path,
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)",
    )
    made.start(tmp_path / "log")
    while not (tmp_path / "log").read_text():
        pass
    made.end()
    assert made.process.returncode == -9


def test_a_child_may_start_again_five_times_a_minute(tmp_path):
    made = child(tmp_path, "")
    assert [made.may_start_again() for _ in range(6)] == [True] * 5 + [False]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next platform ends them")
def test_children_end_with_a_parent_that_was_killed(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from hpc.local.child import Child; "
        "folder = Path(sys.argv[1]); made = Child(name='c', command=['sleep', '60'], environment={'PATH': '/bin'}, "
        "folder=folder); made.start(folder / 'log'); print(made.process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)
