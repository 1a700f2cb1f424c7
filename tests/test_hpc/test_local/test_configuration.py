"""The configuration of a platform: its file, its keys, its ports."""

from __future__ import annotations

import socket
from dataclasses import asdict
from pathlib import Path

import pytest

from hpc.local.configuration import PlatformConfig, is_free


def made(folder: Path, last: PlatformConfig | None = None, port: int = 4566) -> PlatformConfig:
    return PlatformConfig.make(state_dir=folder, project_root=folder, port=port, region="us-east-1", last=last)


def test_it_is_read_as_it_was_written_and_by_its_owner_only(tmp_path):
    config = made(tmp_path)
    config.save(tmp_path / "config.json")
    assert PlatformConfig.load(tmp_path / "config.json") == config
    assert (tmp_path / "config.json").stat().st_mode & 0o777 == 0o600


def test_keys_stay_from_one_start_to_the_next(tmp_path):
    first = made(tmp_path)
    second = made(tmp_path, first, port=4567)
    assert (second.access_key_id, second.secret_access_key) == (first.access_key_id, first.secret_access_key)
    assert second.store.secret_access_key == first.store.secret_access_key
    assert second.port == 4567


def test_the_object_store_keeps_its_ports_as_long_as_all_are_free(tmp_path):
    first = made(tmp_path)
    assert made(tmp_path, first).store.ports == first.store.ports
    with socket.socket() as other:
        other.bind(("127.0.0.1", first.store.ports.filer))
        taken = made(tmp_path, first).store.ports
    assert first.store.ports.filer not in asdict(taken).values()


def test_all_ports_differ(tmp_path):
    config = made(tmp_path)
    ports = [*asdict(config.store.ports).values(), config.port]
    assert len(set(ports)) == len(ports) == 9


def test_secrets_do_not_show_in_a_representation(tmp_path):
    config = made(tmp_path)
    assert config.secret_access_key not in repr(config)
    assert config.store.secret_access_key not in repr(config)


@pytest.mark.parametrize("text", ["{", "[]", '{"port": 1}'])
def test_a_damaged_file_is_an_error_of_its_own_kind(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        PlatformConfig.load(tmp_path / "config.json")


def test_a_port_that_somebody_listens_on_is_not_free():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert not is_free(other.getsockname()[1])
