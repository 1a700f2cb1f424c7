"""The process that looks after the others."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hpc.local.batch.strays import wait_for_ends
from hpc.local.child import Child
from hpc.local.supervisor import CHILDREN_FILE, LOCK_FILE, end_orphans, hold_lock


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


def test_children_end_with_a_parent_that_was_killed(tmp_path):
    if sys.platform != "linux":
        return  # elsewhere the next platform ends them
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


def test_only_processes_of_this_state_directory_are_taken_for_orphans(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    waiting = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"]
    with (
        subprocess.Popen([*waiting, str(state)], stdout=subprocess.PIPE) as ours,
        subprocess.Popen(waiting, stdout=subprocess.PIPE) as other,
    ):
        for process in (ours, other):  # a process shows no command line a moment after its start
            process.stdout.readline()
        (state / CHILDREN_FILE).write_text(json.dumps({"ours": ours.pid, "other": other.pid, "gone": 2**22 - 1}))
        end_orphans(state)
        assert ours.wait(5) == -9
        assert other.poll() is None
        other.kill()


def test_orphans_have_ended_when_they_were_ended(tmp_path, monkeypatch):
    # Given a process that takes a moment to end, as one that writes to a disk does
    kill = os.kill
    monkeypatch.setattr(os, "kill", lambda *given: threading.Timer(0.3, kill, given).start())
    waiting = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)", str(tmp_path)]
    with subprocess.Popen(waiting, stdout=subprocess.PIPE) as ours:
        ours.stdout.readline()
        (tmp_path / CHILDREN_FILE).write_text(json.dumps({"object store": ours.pid}))
        end_orphans(tmp_path)
        assert not is_alive(ours.pid)


def test_a_process_that_does_not_end_is_not_waited_for_for_ever():
    assert not wait_for_ends([os.getpid()], within_s=0.1)
    assert wait_for_ends([2**22 - 1], within_s=0.1)


def test_a_state_directory_whose_name_goes_on_is_another_one(tmp_path):
    # Given a process id that a platform left behind, and that is now one of another platform's
    state, other = tmp_path / "state", tmp_path / "state2"
    state.mkdir()
    waiting = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)", f"-dir={other}/objects"]
    with subprocess.Popen(waiting, stdout=subprocess.PIPE) as theirs:
        theirs.stdout.readline()
        (state / CHILDREN_FILE).write_text(json.dumps({"object store": theirs.pid}))
        end_orphans(state)
        time.sleep(0.1)
        assert theirs.poll() is None
        theirs.kill()


def test_whoever_looks_for_a_platform_does_not_keep_one_from_starting(tmp_path):
    with (tmp_path / LOCK_FILE).open("w") as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        threading.Timer(0.2, look.close).start()
        with hold_lock(tmp_path) as lock:
            assert (tmp_path / LOCK_FILE).read_text() == str(os.getpid())
            assert not lock.closed


def test_a_second_platform_of_a_state_directory_is_refused(tmp_path):
    with (tmp_path / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SystemExit, match=r"another platform already runs in .* end it with `hpc down`"):
            hold_lock(tmp_path)
