"""What a person is told when the platform cannot be started, and how it knows whether it runs."""

from __future__ import annotations

import fcntl
import json
import socket
from pathlib import Path
from unittest.mock import patch

import pytest

from hpc.connecting import connect
from hpc.errors import PlatformUnreachable
from hpc.local import platform, supervisor
from hpc.local.configuration import PlatformConfig
from hpc.local.loopback import free_port
from hpc.local.platform import PlatformError
from hpc.local.web import WebConfig


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPC_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def test_nothing_runs_in_a_new_state_directory(state_dir):
    assert platform.running() is None
    assert platform.down(say=print) is False


def test_a_stale_file_of_a_killed_platform_is_not_believed(state_dir):
    state_dir.mkdir()
    (state_dir / "platform.lock").touch()
    (state_dir / "platform.json").write_text(json.dumps({"pid": 1, "endpoint_url": "http://127.0.0.1:1"}))
    assert platform.running() is None
    assert platform.down(say=print) is False


def test_a_lock_without_a_readable_file_is_not_a_running_platform(state_dir):
    state_dir.mkdir()
    with (state_dir / "platform.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (state_dir / "platform.json").write_text("{")
        assert platform.running() is None


def test_a_taken_port_is_refused_with_a_way_out(state_dir):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PlatformError, match=rf"port {port} .* is taken .* hpc up --port {port + 1}") as refused:
            up(port=port)
    assert refused.value.exit_code == 2


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HPC_STATE_DIR", str(tmp_path / "file" / "state"))
    with pytest.raises(PlatformError, match=r"state directory .* cannot be made: .*; set HPC_STATE_DIR") as refused:
        up()
    assert refused.value.exit_code == 2


def test_a_damaged_configuration_is_named(state_dir):
    state_dir.mkdir()
    (state_dir / "platform-config.json").write_text("{")
    with pytest.raises(PlatformError, match=r"platform-config\.json cannot be read: .*; delete it") as refused:
        up()
    assert refused.value.exit_code == 2


def test_a_damaged_saved_state_stops_the_start_instead_of_being_overwritten(state_dir):
    (state_dir / "emulator").mkdir(parents=True)
    (state_dir / "emulator" / "dynamodb.json").write_text('{"broken')
    with pytest.raises(PlatformError, match=r"dynamodb\.json is damaged: .*; put a copy of it back"):
        up(port=free_port())
    assert (state_dir / "emulator" / "dynamodb.json").read_text() == '{"broken'


def test_only_the_owner_may_look_into_the_state_directory(state_dir):
    # Given a directory that something else made, open to all
    state_dir.mkdir(mode=0o755)
    (state_dir / "platform-config.json").write_text("{")
    with pytest.raises(PlatformError):
        up()
    assert state_dir.stat().st_mode & 0o777 == 0o700


def test_a_state_directory_that_is_a_file_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HPC_STATE_DIR", str(tmp_path / "file"))
    with pytest.raises(PlatformError, match=r"state directory .*file cannot be read: Not a directory") as refused:
        platform.running()
    assert refused.value.exit_code == 2


def up(**more):
    return platform.up(say=print, continue_runs=lambda *_: None, **more)


@pytest.fixture
def killed(state_dir) -> PlatformConfig:
    """The configuration that a platform left which was killed."""
    state_dir.mkdir()
    config = PlatformConfig.make(state_dir=state_dir, project_root=state_dir, port=1, region="us-east-1", last=None)
    config.save(state_dir / "platform-config.json")
    return config


def test_purge_removes_the_sockets_of_a_platform_that_was_killed(state_dir, killed):
    left = Path(f"/tmp/seaweedfs-filer-grpc-{killed.store.ports.filer_grpc}.sock")
    left.touch()
    platform.purge(say=print)
    assert not left.exists()
    assert not state_dir.exists()


def test_the_sockets_of_ports_that_are_given_up_go_with_them(state_dir, killed):
    # Given one of whose ports somebody else has now
    left = Path(f"/tmp/seaweedfs-test-{killed.store.ports.s3}.sock")
    left.touch()
    (state_dir / "emulator").mkdir()
    (state_dir / "emulator" / "dynamodb.json").write_text("{")  # the start goes no further
    with socket.socket() as other:
        other.bind(("127.0.0.1", killed.store.ports.filer))
        other.listen()
        with pytest.raises(PlatformError, match=r"dynamodb\.json is damaged"):
            up(port=free_port())
    assert PlatformConfig.load(state_dir / "platform-config.json").store.ports != killed.store.ports
    assert not left.exists()


def test_ending_is_waited_for_longer_than_it_may_take():
    config = PlatformConfig.make(state_dir=Path("/s"), project_root=Path("/"), port=1, region="r", last=None)
    with patch.object(supervisor.front_door, "write_configuration"), patch.object(supervisor.object_store, "prepare"):
        ordered = [*supervisor.children(config, Path("/c")), supervisor.recovery(config)]
    page = WebConfig.make(api_endpoint="", region="", access_key_id="", secret_access_key="", last=None)
    ordered.append(supervisor.page(config, page))
    assert sum(child.end_within_s for child in ordered) <= supervisor.LONGEST_END_S < platform.STOP_TIMEOUT_S


def test_purge_leaves_a_folder_alone_that_holds_no_platform(state_dir):
    state_dir.mkdir()
    (state_dir / "mine.txt").touch()
    with pytest.raises(PlatformError, match=r"holds no platform .* delete it by hand"):
        platform.purge(say=print)
    assert (state_dir / "mine.txt").exists()


def test_secrets_do_not_show_in_a_representation():
    state = platform.PlatformState(1, "http://127.0.0.1:1", None, "d", "r", "s", "AKIA", "very secret")
    assert "very secret" not in repr(state)


def test_a_running_platform_s_directory_is_not_deleted(state_dir):
    state_dir.mkdir()
    (state_dir / "platform-config.json").write_text("{}")
    with (state_dir / "platform.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(PlatformError, match="a platform is running; end it first: hpc down"):
            platform.purge(say=print)
    assert state_dir.is_dir()


def test_nothing_to_delete_is_said(state_dir):
    said = []
    platform.purge(say=said.append)
    assert said == [f"Nothing is there to delete: {state_dir}"]


def test_a_damaged_platform_can_be_deleted(state_dir):
    state_dir.mkdir()
    (state_dir / "platform-config.json").write_text("{")
    platform.purge(say=print)
    assert not state_dir.exists()


def test_a_platform_that_ended_by_itself_is_asked_for_its_last_words(state_dir):
    state_dir.mkdir()
    (state_dir / "ended.txt").write_text("its emulator died again and again")
    with pytest.raises(PlatformUnreachable, match=r"The last one ended: its emulator died again and again\. Start it"):
        connect()
