"""The S3 server on disk: its command line and folder, and a real one that is asked, killed and started again."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import quote

import pytest

from hpc.local import object_store
from hpc.local.configuration import PlatformConfig
from hpc.local.object_store import ObjectStore, ObjectStoreError, StoreConfig

AWKWARD_KEYS = ["a b", "a+b", "a%b", "a%2Fb", "ü/日本", "a?b", "a#b", "a&b=c", "~'()*!", "q;r", "tab\tb", "x/.hidden"]


def new_config(folder: Path, last: StoreConfig | None = None) -> StoreConfig:
    """Ports of its own; the keys of `last`, as a platform that starts again keeps them."""
    made = PlatformConfig.make(state_dir=folder, project_root=folder, port=4566, region="us-east-1", last=None).store
    return replace(last, ports=made.ports) if last else made


@contextmanager
def running(config: StoreConfig, directory: Path, *, volumes: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """The server; `volumes` are those that there is room for, as many as the disk takes by default."""
    object_store.prepare(directory)
    command = [
        f"-volume.max={volumes}" if option == "-volume.max=0" else option
        for option in object_store.command(config, directory)
    ]
    environment = object_store.environment(config, directory)
    with (
        (directory / "output").open("ab") as output,
        subprocess.Popen(command, env=environment, cwd=directory, stdout=output, stderr=output) as process,
    ):
        try:
            ObjectStore(config).wait_until_up(30)
            yield process
        finally:
            process.kill()
    object_store.remove_sockets(config)


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> StoreConfig:
    return new_config(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="module")
def store(config, tmp_path_factory) -> Iterator[ObjectStore]:
    with running(config, tmp_path_factory.mktemp("store")):
        made = ObjectStore(config)
        made.create_bucket("bucket")
        yield made


def put(store: ObjectStore, path: str, body: bytes = b"body") -> int:
    return store.request("PUT", path, body=body)[0]


def unsigned(config: StoreConfig, method: str, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", config.ports.s3, timeout=20)
    connection.request(method, path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_it_listens_on_loopback_only_and_tells_nobody_of_itself(tmp_path):
    config = new_config(tmp_path)
    command = object_store.command(config, tmp_path)
    assert config.secret_access_key not in " ".join(command)
    assert {"-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false", "-s3.iam=false"} <= set(command)


def test_every_port_on_the_command_line_is_one_that_was_chosen(tmp_path):
    config = new_config(tmp_path)
    options = dict(part.split("=", 1) for part in object_store.command(config, tmp_path) if "=" in part)
    ports = {int(value) for name, value in options.items() if ".port" in name}
    assert ports - {0} == set(asdict(config.ports).values())


def test_its_environment_holds_nothing_of_the_person_s(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    config = new_config(tmp_path)
    given = object_store.environment(config, tmp_path)
    assert given["AWS_SECRET_ACCESS_KEY"] == config.secret_access_key
    assert given["HOME"] == given["TMPDIR"] == str(tmp_path)
    assert not {"AWS_PROFILE", "HTTPS_PROXY", "PATH"} & set(given)


def test_its_folder_is_its_owner_s_and_prepared_once(tmp_path):
    directory = tmp_path / "state" / "objects"
    object_store.prepare(directory)
    first = (directory / "security.toml").read_text()
    object_store.prepare(directory)
    assert (directory / "security.toml").read_text() == first
    assert first.count("[jwt.") == len({line for line in first.splitlines() if line.startswith("key")}) == 4
    modes = [path.stat().st_mode & 0o777 for path in (directory, directory / "logs", directory / "security.toml")]
    assert modes == [0o700, 0o700, 0o600]


def test_keys_that_were_not_written_whole_are_made_again(tmp_path):
    # Given what a process leaves that was killed while it wrote them
    tmp_path.joinpath("security.tmp").write_text("[jwt.sig")
    tmp_path.joinpath("security.tmp").chmod(0o644)
    object_store.prepare(tmp_path)
    assert (tmp_path / "security.toml").read_text().count("key = ") == 4
    assert (tmp_path / "security.toml").stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "security.tmp").exists()


def test_only_the_sockets_of_its_own_ports_are_removed(tmp_path):
    config = new_config(tmp_path)
    ours = Path(f"/tmp/seaweedfs-test-{config.ports.filer}.sock")
    others = [Path(f"/tmp/seaweedfs-test-1{config.ports.filer}.sock"), Path("/tmp/seaweedfs-test-1.sock")]
    try:
        for path in (ours, *others):
            path.touch()
        object_store.remove_sockets(config)
        assert not ours.exists()
        assert all(path.exists() for path in others)
    finally:
        for path in (ours, *others):
            path.unlink(missing_ok=True)


def test_the_socket_of_another_server_that_has_got_one_of_the_ports_is_left(tmp_path):
    config = new_config(tmp_path)
    path = Path(f"/tmp/seaweedfs-test-{config.ports.master}.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        object_store.remove_sockets(config)
        assert path.exists()
    object_store.remove_sockets(config)
    assert not path.exists()


@pytest.mark.parametrize("key", AWKWARD_KEYS)
def test_an_object_is_read_as_it_was_written(store, key):
    assert put(store, f"/bucket/{quote(key)}", key.encode()) == 200
    assert store.read("bucket", key) == key.encode()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("list-type=2&prefix=list/a", True),
        ("list-type=2&prefix=list%2Fa", True),
        ("prefix=list%2Fa+b&list-type=2", True),
        ("list-type=2&prefix=list/a%20b", True),
        ("list-type=2&prefix=list%2Fa%20b%7e", True),
        ("list-type=2&prefix=list/b", False),
    ],
)
def test_a_listing_is_signed_however_its_client_has_spelled_it(store, query, found):
    assert put(store, "/bucket/list/a%20b~c") == 200
    status, _, body = store.request("GET", f"/bucket?{query}")
    assert (status, b"<Contents>" in body) == (200, found)


def test_a_key_is_signed_however_its_client_has_spelled_it(store):
    assert put(store, "/bucket/spelled/a(b)'c!~*", b"raw") == 200
    assert put(store, "/bucket/spelled/A%28b%29%27c%21%7e%2a", b"encoded") == 200
    assert store.read("bucket", "spelled/a(b)'c!~*") == b"raw"
    assert store.read("bucket", "spelled/A(b)'c!~*") == b"encoded"


def test_a_missing_key_gives_nothing(store):
    assert store.read("bucket", "missing") is None
    assert store.read("no-such-bucket", "missing") is None


def test_nobody_without_the_key_is_let_in(store, config):
    assert put(store, "/bucket/closed") == 200
    wrong = ObjectStore(replace(config, secret_access_key="wrong"))
    assert wrong.request("GET", "/bucket/closed")[0] == 403
    assert unsigned(config, "GET", "/bucket/closed") == 403
    assert unsigned(config, "PUT", "/bucket/closed") == 403
    with pytest.raises(ObjectStoreError, match=r"reading s3://bucket/closed: the object store answered 403"):
        wrong.read("bucket", "closed")
    assert not wrong.answers()


@pytest.mark.parametrize(
    "path", ["/bucket/../other/secret", "/bucket/%2e%2e/other/secret", "/bucket/x%2F..%2F..%2Fother/secret"]
)
def test_no_key_leads_out_of_its_bucket(store, path):
    store.create_bucket("other")
    assert put(store, "/other/secret") == 200
    assert store.request("GET", path)[0] == 400
    assert put(store, path, b"overwritten") == 400
    assert store.read("other", "secret") == b"body"


def test_a_bucket_is_made_twice_and_deleted_twice_without_complaint(store):
    store.create_bucket("passing")
    store.create_bucket("passing")
    assert store.is_empty("passing")
    assert put(store, "/passing/folder/key") == 200
    assert not store.is_empty("passing")
    assert store.request("DELETE", "/passing/folder/key")[0] == 204
    assert store.is_empty("passing")
    store.delete_bucket("passing")
    store.delete_bucket("passing")
    assert store.is_empty("passing")


def test_a_bucket_that_cannot_be_made_is_named(store):
    with pytest.raises(ObjectStoreError, match=r"making bucket A_: the object store answered 400"):
        store.create_bucket("A_")


def test_one_bucket_does_not_take_all_room_of_a_disk_that_is_nearly_full(tmp_path):
    config = new_config(tmp_path)
    with running(config, tmp_path / "objects", volumes=5):
        store = ObjectStore(config)
        for bucket in ("one", "two", "three"):
            store.create_bucket(bucket)
            assert put(store, f"/{bucket}/key") == 200


def test_a_store_that_does_not_come_up_is_told_after_the_time(tmp_path):
    with pytest.raises(ObjectStoreError, match=r"did not answer within 0\.2 s"):
        ObjectStore(new_config(tmp_path)).wait_until_up(0.2)


def test_an_answer_that_breaks_off_is_no_answer(tmp_path):
    config = new_config(tmp_path)
    with socket.create_server(("127.0.0.1", config.ports.s3)) as server:
        threading.Thread(target=answer_half, args=(server,)).start()
        with pytest.raises(OSError, match="broke off its answer"):
            ObjectStore(config).read("bucket", "key")


def answer_half(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")


def test_what_was_acknowledged_is_there_after_kill_9_with_the_same_ports_and_with_others(tmp_path):
    first = new_config(tmp_path)
    with running(first, tmp_path / "objects") as process:
        store = ObjectStore(first)
        store.create_bucket("bucket")
        for number in range(200):
            assert put(store, f"/bucket/{number}", b"%d" % number) == 200
        process.send_signal(signal.SIGKILL)
    for config in (first, new_config(tmp_path, first)):
        started = time.monotonic()
        with running(config, tmp_path / "objects"):
            # Once it answers, it answers for objects; and a start on kept state waits for no election
            again = ObjectStore(config)
            assert [again.read("bucket", str(number)) for number in range(200)] == [b"%d" % n for n in range(200)]
            assert put(again, "/bucket/new", b"new") == 200
            assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("a//b", "a '/' at its beginning or after another one"),
        ("/a", "a '/' at its beginning or after another one"),
        ("a\\b", "a backslash"),
        ("a/./b", "'.' or '..' between slashes"),
        ("..", "'.' or '..' between slashes"),
    ],
)
def test_a_key_that_the_server_would_take_for_another_one_is_named_as_such(key, found):
    assert f"found {found}, which" in object_store.why_not_a_key(key)


@pytest.mark.parametrize("key", ["a", "a/b", "a/", "", ".a/..b/c...", "ä b+c%/x~y(1)", "a.b/.hidden"])
def test_all_other_keys_are_kept_as_they_are(key):
    assert object_store.why_not_a_key(key) is None
