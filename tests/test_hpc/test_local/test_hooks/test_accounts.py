"""Sessions of assumed roles."""

from __future__ import annotations

from tests.test_hpc.test_local.test_hooks.conftest import run

SESSIONS = """
import json, sys, threading, time
from ministack.services import sts
from hpc.local.hooks import accounts
accounts.install("AKIA", "secret")
sys.setswitchinterval(1e-6)
accounts.EVICTION_PERIOD_S = 0
broken = []
def register(thread):
    for number in range(300):
        try:
            sts.register_session(f"{thread}-{number}", {"Expiration": time.time() + 60})
        except RuntimeError as error:
            broken.append(str(error))
threads = [threading.Thread(target=register, args=(number,)) for number in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
sts._sessions["old"] = {"Expiration": 1.0}
sts.register_session("new", {"Expiration": time.time() + 60})
print(json.dumps([len(broken), len(sts._sessions), "old" in sts._sessions]))
"""


def test_sessions_are_registered_by_many_threads_at_once(tmp_path):
    assert run(tmp_path, SESSIONS) == [[0, 2401, False]]
