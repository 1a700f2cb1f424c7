"""The process that looks after the others."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from hpc.local.batch.strays import wait_for_ends
from hpc.local.supervisor import CHILDREN_FILE, LOCK_FILE, end_orphans, hold_lock
from tests.test_hpc.test_local.test_child import is_alive


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


FIRST_THREAD_ENDS = """
import ctypes, platform, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
print(1, flush=True)
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)  # exit: of this thread only
"""


@pytest.mark.skipif(sys.platform != "linux", reason="nobody else tells of threads")
def test_a_process_whose_first_thread_has_ended_before_the_others_is_waited_for():
    with subprocess.Popen([sys.executable, "-c", FIRST_THREAD_ENDS], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        while is_alive(process.pid):  # it is shown as a zombie
            time.sleep(0.01)
        assert not wait_for_ends([process.pid], within_s=0.1)
        process.kill()
        assert wait_for_ends([process.pid], within_s=10)


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
