"""What is saved, when, and what the journal keeps besides."""

from __future__ import annotations

from tests.test_hpc.test_local.test_hooks.conftest import run

SAVING = """
import asyncio, json, os, signal, time
from pathlib import Path
from ministack import app
from hpc.local.hooks import state
from hpc.local.journal import Journal

journal = Journal(Path("journal.sqlite"))
saved = []

def save(services):
    journal.position()
    saved.append(True)

app._load_persisted_state = lambda: None
state._save_on_request(save)

async def serve():
    os.kill(os.getpid(), signal.SIGUSR1)  # before the state is loaded: nothing to save, and no end of the process
    app._load_persisted_state()
    with journal._lock:  # as while a row is being written
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(0.05)
    for _ in range(100):
        await asyncio.sleep(0.01)
        if saved:
            break
    print(json.dumps(len(saved)))

asyncio.run(serve())
"""


def test_a_request_to_save_that_comes_while_the_journal_is_written_waits_for_its_turn(tmp_path):
    assert run(tmp_path, SAVING, timeout_s=10) == [1]


CHANGING = """
import json
from pathlib import Path
from ministack.core import persistence
from hpc.local.hooks import state
from hpc.local.journal import Journal

persistence.STATE_DIR = "saved"
journal = Journal(Path("journal.sqlite"))
journal.keep_item("table", "pk", "sk", {})
state._CHANGED_WAITS_S = (0, 0, 0)
for changes in CHANGES:
    tries = []
    def get_state():
        tries.append(1)
        if len(tries) <= changes:
            raise RuntimeError("dictionary changed size during iteration")
        return {"changes": changes}
    state._saving(journal)({"first": lambda: {}, "service": get_state})
    saved = Path("saved/service.json")
    payload = json.loads(saved.read_text())["payload"] if saved.exists() else None
    print(json.dumps([payload, len(list(journal.items()))]))
"""


def test_a_state_that_changes_while_it_is_saved_is_saved_again_and_else_stays_in_the_journal(tmp_path):
    never, after_three = run(tmp_path, CHANGING.replace("CHANGES", "(4, 3)"))
    assert (never, after_three) == ([None, 1], [{"changes": 3}, 0])
