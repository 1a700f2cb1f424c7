"""The S3 server on disk: a real one, in a folder of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from hpc.local import object_store
from hpc.local.configuration import PlatformConfig
from hpc.local.object_store import ObjectStore, StoreConfig


def configured(folder: Path) -> StoreConfig:
    made = PlatformConfig.make(state_dir=folder, project_root=folder, port=4566, region="us-east-1", last=None)
    return made.store


@contextmanager
def running(config: StoreConfig, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    object_store.prepare(folder)
    with subprocess.Popen(
        object_store.command(config, folder),
        env=object_store.environment(config, folder),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            ObjectStore(config).wait_until_up(30)
            yield process
        finally:
            process.kill()
    object_store.remove_sockets(config)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreConfig]:
    folder = tmp_path_factory.mktemp("objects")
    config = configured(folder)
    with running(config, folder):
        yield config


def client(config: StoreConfig, *, key: str | None = None):
    return boto3.client(
        "s3",
        endpoint_url=f"http://{config.host}",
        region_name="us-east-1",
        aws_access_key_id=key or config.access_key_id,
        aws_secret_access_key=config.secret_access_key,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def test_it_is_bound_to_loopback_and_tells_nobody_about_itself(tmp_path):
    config = configured(tmp_path)
    words = object_store.command(config, tmp_path)
    assert "-ip.bind=127.0.0.1" in words
    assert "-master.telemetry=false" in words
    assert {str(port) for port in asdict(config.ports).values()} <= {word.rpartition("=")[2] for word in words}
    assert config.secret_access_key not in " ".join(words)


def test_its_folder_and_its_keys_are_its_owner_s(tmp_path):
    object_store.prepare(tmp_path / "objects")
    first = (tmp_path / "objects" / "security.toml").read_text()
    object_store.prepare(tmp_path / "objects")
    assert (tmp_path / "objects" / "security.toml").read_text() == first
    assert (tmp_path / "objects" / "security.toml").stat().st_mode & 0o777 == 0o600


def test_buckets_are_made_once_and_deleted_when_empty(store):
    objects = ObjectStore(store)
    objects.create_bucket("made")
    objects.create_bucket("made")
    assert objects.is_empty("made")
    client(store).put_object(Bucket="made", Key="a", Body=b"1")
    assert not objects.is_empty("made")
    assert (objects.read("made", "a"), objects.read("made", "nothing")) == (b"1", None)
    client(store).delete_object(Bucket="made", Key="a")
    objects.delete_bucket("made")
    objects.delete_bucket("made")
    assert objects.is_empty("made")


@pytest.mark.parametrize("key", ["plain", "ä b+c%/x~y(1)", "?#&="])
def test_what_is_signed_for_a_key_is_taken(store, key):
    ObjectStore(store).create_bucket("keys")
    client(store).put_object(Bucket="keys", Key=key, Body=b"content")
    assert ObjectStore(store).read("keys", key) == b"content"


def test_other_keys_and_no_key_are_refused(store):
    with pytest.raises(ClientError) as refused:
        client(store, key="AKIAOTHER").list_buckets()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    wrong = ObjectStore(replace(store, secret_access_key="wrong"))
    assert wrong.request("GET", "/")[0] == 403


def test_what_was_acknowledged_is_there_after_kill_9_and_at_other_ports(tmp_path):
    first = configured(tmp_path)
    with running(first, tmp_path / "objects") as process:
        client(first).create_bucket(Bucket="kept")
        for number in range(20):
            client(first).put_object(Bucket="kept", Key=str(number), Body=bytes([number]) * 100_000)
        process.kill()
    second = configured(tmp_path)
    second = replace(second, access_key_id=first.access_key_id, secret_access_key=first.secret_access_key)
    with running(second, tmp_path / "objects"):
        for number in range(20):
            assert ObjectStore(second).read("kept", str(number)) == bytes([number]) * 100_000
