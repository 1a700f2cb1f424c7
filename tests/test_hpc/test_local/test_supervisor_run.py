"""A whole supervisor over small processes in place of the platform's: what it starts, starts again and ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hpc.local.configuration import PlatformConfig
from hpc.local.web import WebConfig, wait_until_it_answers

ROOT = Path(__file__).resolve().parents[3]
# The real supervisor, whose children are given as code; each is told where to write.
SUPERVISOR = """
import json, sys
from pathlib import Path
from hpc.local import supervisor
from hpc.local.child import Child

state, codes = Path(sys.argv[1]).parent, json.loads(sys.argv[2])

def child(name):
    command = [sys.executable, "-c", codes[name], name, str(state)]
    return Child(name=name, command=command, environment={}, folder=state, end_within_s=5)

supervisor.children = lambda config, file: [child(name) for name in ("object store", "emulator", "front door")]
supervisor.recovery = lambda config: child("recovery")
sys.exit(supervisor.main(Path(sys.argv[1])))
"""
# Writes its name down when it is asked to end.
STAYS = """
import signal, sys, time
from pathlib import Path
name, state = sys.argv[1], Path(sys.argv[2])

def end(*_):
    with (state / "order").open("a") as order:
        order.write(name + ",")
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
if name == "emulator":
    (state / "emulator.sock").touch()
(state / (name + ".up")).touch()
time.sleep(60)
"""
NEVER_READY = STAYS.replace('name == "emulator"', "False")
DIES = "import sys; sys.exit(3)"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    state = tmp_path / "state"
    (state / "logs").mkdir(parents=True)
    config = PlatformConfig.make(state_dir=state, project_root=ROOT, port=1, region="us-east-1", last=None)
    config.save(state / "config.json")
    started: list[subprocess.Popen[bytes]] = []

    def start_with(**codes: str) -> subprocess.Popen[bytes]:
        names = ("object store", "emulator", "front door", "recovery")
        given = json.dumps({name: codes.get(name.replace(" ", "_"), STAYS) for name in names})
        command = [sys.executable, "-c", SUPERVISOR, str(state / "config.json"), given]
        started.append(subprocess.Popen(command))
        return started[-1]

    yield start_with
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def wait_until(condition: Callable[[], bool], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def are_up(state: Path, *names: str) -> bool:
    return all((state / f"{name}.up").exists() for name in names or ("object store", "emulator", "front door"))


# The object store, the emulator and the front door.
CHILDREN = 3


def pids(state: Path) -> dict[str, int]:
    return json.loads((state / "children.json").read_text())


def of_platform(state: Path) -> list[int]:
    """The processes that name the state directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                found += [int(entry.name)] * (f"{state}\0".encode() in (entry / "cmdline").read_bytes())
            except OSError:
                continue
    return found


def test_it_ends_the_emulator_first_and_the_store_last(start, state):
    process = start()
    wait_until(lambda: are_up(state))
    process.terminate()
    assert process.wait(10) == 0
    assert (state / "order").read_text() == "emulator,front door,object store,"
    assert not (state / "children.json").exists()


def test_it_ends_although_the_emulator_never_comes_up(start, state):
    process = start(emulator=NEVER_READY)
    wait_until(lambda: are_up(state, "object store", "emulator"))
    assert not are_up(state, "front door")
    process.terminate()
    assert process.wait(10) == 0
    assert of_platform(state) == []


@pytest.mark.parametrize("victim", ["object store", "emulator", "front door"])
def test_a_child_that_dies_is_started_again(start, state, victim):
    process = start()
    # A process may say that it is up before the supervisor has written down which one it is.
    wait_until(lambda: are_up(state) and len(pids(state)) == CHILDREN)
    before = pids(state)
    (state / f"{victim}.up").unlink()
    os.kill(before[victim], signal.SIGKILL)
    wait_until(lambda: are_up(state) and pids(state)[victim] != before[victim])
    after = pids(state)
    assert {**after, victim: 0} == {**before, victim: 0}
    assert f"The {victim} ended with -9; starting it again" in (state / "logs" / "platform.log").read_text()
    process.terminate()
    assert process.wait(10) == 0


def test_an_object_store_that_dies_before_the_emulator_is_up_is_started_again(start, state):
    start(emulator=NEVER_READY)
    wait_until(lambda: are_up(state, "object store", "emulator"))
    (state / "object store.up").unlink()
    os.kill(pids(state)["object store"], signal.SIGKILL)
    wait_until(lambda: are_up(state, "object store"))


def test_what_continues_runs_ends_with_the_platform(start, state):
    # Given an emulator that has died, and a process that waits for it to answer
    process = start()
    wait_until(lambda: are_up(state))
    os.kill(pids(state)["emulator"], signal.SIGKILL)
    wait_until(lambda: are_up(state, "recovery"))
    # When the platform ends
    process.terminate()
    assert process.wait(10) == 0
    # Then
    assert of_platform(state) == []


def test_what_continues_runs_ends_with_a_supervisor_that_was_killed(start, state):
    process = start()
    wait_until(lambda: are_up(state))
    os.kill(pids(state)["emulator"], signal.SIGKILL)
    wait_until(lambda: are_up(state, "recovery"))
    process.kill()
    process.wait()
    wait_until(lambda: of_platform(state) == [])


def test_a_child_that_dies_again_and_again_ends_the_platform_with_last_words(start, state):
    process = start(front_door=DIES)
    assert process.wait(20) == 1
    assert "its front door died again and again" in (state / "ended.txt").read_text()
    assert (state / "logs" / "platform.log").read_text().count("The front door ended with 3") == 6
    assert of_platform(state) == []


def told(state: Path, **changes: str) -> WebConfig:
    """A page of an API that nobody serves, written where the supervisor looks for it."""
    keys = {"access_key_id": "AKIAOFTHEPLATFORM000", "secret_access_key": "secret"}
    given = {"api_endpoint": "http://127.0.0.1:1/v1", "region": "us-east-1", **keys, **changes}
    config = WebConfig.make(last=WebConfig.load(state), **given)
    config.save(state)
    return config


def page_of(state: Path) -> int:
    wait_until(lambda: "page" in pids(state))
    return pids(state)["page"]


def test_the_page_is_served_from_when_it_is_wanted_and_ends_with_the_platform(start, state):
    process = start()
    wait_until(lambda: are_up(state))
    assert "page" not in pids(state)
    config = told(state)
    assert wait_until_it_answers(config.url)
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(f"{config.url}/runs")
    assert raised.value.code == 502  # it runs, and the API does not
    process.terminate()
    assert process.wait(20) == 0
    assert of_platform(state) == []
    assert (state / "order").read_text() == "emulator,front door,object store,"


def test_the_page_is_started_again_when_it_dies_and_when_it_is_told_something_else(start, state):
    start()
    wait_until(lambda: are_up(state))
    config = told(state)
    assert wait_until_it_answers(config.url)
    first = page_of(state)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: pids(state)["page"] != first)
    assert wait_until_it_answers(config.url)
    second = page_of(state)
    assert told(state, api_endpoint="http://127.0.0.1:2/v1").port == config.port
    wait_until(lambda: pids(state)["page"] != second)
    assert wait_until_it_answers(config.url)
    assert are_up(state)


def test_a_page_that_dies_again_and_again_ends_nothing_else(start, state):
    process = start()
    wait_until(lambda: are_up(state))
    before = pids(state)
    told(state, api_endpoint="nowhere")
    log = state / "logs" / "platform.log"
    wait_until(lambda: log.read_text().count("The page ended with 1; starting it again") >= 6, within_s=60)
    time.sleep(0.5)
    assert process.poll() is None
    assert {name: pids(state)[name] for name in before} == before
    assert "The page cannot start. API_ENDPOINT: found 'nowhere'" in log.read_text()


def test_the_pages_keys_are_for_its_owner_only(state):
    state.mkdir(exist_ok=True)
    config = told(state)
    assert (state / "web.json").stat().st_mode & 0o077 == 0
    assert config.secret_access_key not in repr(config)
    assert config.session_key not in repr(config)
    assert WebConfig.load(state) == config
    (state / "web.json").write_text("{}")
    assert WebConfig.load(state) is None


def test_a_removed_state_directory_ends_everything_and_is_not_made_again(start, state):
    process = start()
    wait_until(lambda: are_up(state))
    shutil.rmtree(state)
    assert process.wait(10) == 1
    assert of_platform(state) == []
    assert not state.exists()
