"""The configuration of a platform: its file, its keys, its ports."""

from __future__ import annotations

import json
import socket
from dataclasses import asdict
from pathlib import Path

import pytest

from hpc.local.configuration import PlatformConfig, write_private


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


def test_the_object_store_never_gets_the_endpoint_s_port(tmp_path):
    # Given a platform whose next start is told a port that was the object store's
    first = made(tmp_path)
    second = made(tmp_path, first, port=first.store.ports.s3)
    assert second.port not in asdict(second.store.ports).values()


DAMAGED = [
    "",
    "{",
    "[]",
    "null",
    '"text"',
    "7",
    '{"port": 1}',
    '{"store": 7}',
    '{"store": {}}',
    '{"store": {"ports": 1}}',
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_is_a_value_error(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"it is no configuration|line 1"):
        PlatformConfig.load(tmp_path / "config.json")


def test_a_file_with_more_or_less_than_it_should_have_is_a_value_error(tmp_path):
    for change in ({"more": 1}, {"port": None}):
        document = asdict(made(tmp_path)) | change
        if document["port"] is None:
            del document["port"]
        (tmp_path / "config.json").write_text(json.dumps(document))
        with pytest.raises(ValueError, match="it is no configuration of a platform"):
            PlatformConfig.load(tmp_path / "config.json")


def test_a_private_file_is_written_whole_or_not_at_all(tmp_path):
    # Given a folder in which nothing can be made any more
    write_private(tmp_path / "file.json", "first")
    (tmp_path / "file.tmp").mkdir()
    with pytest.raises(OSError, match=r"file\.tmp"):
        write_private(tmp_path / "file.json", "second")
    assert (tmp_path / "file.json").read_text() == "first"
