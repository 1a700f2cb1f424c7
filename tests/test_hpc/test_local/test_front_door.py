"""The endpoint before the emulator and the object store: a real Caddy, and two small servers that note what comes."""

from __future__ import annotations

import http.client
import os
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from hpc.local import front_door

SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/s3/aws4_request, Signature=0"}


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class World:
    """The front door, what came to each server behind it, and how the emulator answers what it is shown."""

    port: int = 0
    emulator: list[Seen] = field(default_factory=list)
    store: list[Seen] = field(default_factory=list)
    answer: tuple[int, dict[str, str], bytes] = (200, {}, b"")
    log: Path = Path()
    # Servers behind the front door break off instead of answering.
    is_broken: bool = False

    def request(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content


def handler(world: World, seen: list[Seen], *, is_emulator: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen.append(Seen(self.command, self.path, headers, body))
            if world.is_broken:
                self.close_connection = True
                return
            shown = is_emulator and self.path == front_door.AUTHORIZE_PATH
            status, headers, content = world.answer if shown else (200, {}, b"emulator" if is_emulator else b"store")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do

        def address_string(self) -> str:
            return "client"

        def log_message(self, *_: object) -> None:
            pass

    return Handler


class UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("door")
    world = World()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        world.port = probe.getsockname()[1]
    here = Path.cwd()
    with TcpServer(("127.0.0.1", 0), handler(world, world.store, is_emulator=False)) as store:
        front_door.write_configuration(
            folder / "door.json", port=world.port, store_host=f"127.0.0.1:{store.server_address[1]}"
        )
        try:
            os.chdir(folder)  # a socket's path must be short
            emulator = UnixServer(front_door.EMULATOR_SOCKET, handler(world, world.emulator, is_emulator=True))
        finally:
            os.chdir(here)
        with emulator:
            for server in (store, emulator):
                threading.Thread(target=server.serve_forever, daemon=True).start()
            world.log = folder / "log"
            command, environment = front_door.command(folder / "door.json"), front_door.environment(folder)
            with (
                world.log.open("wb") as log,
                subprocess.Popen(command, env=environment, cwd=folder, stderr=log) as caddy,
            ):
                wait_for(world.port)
                yield world
                caddy.kill()
            store.shutdown()
            emulator.shutdown()


def wait_for(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the front door did not open")


@pytest.fixture
def world(running: World) -> World:
    running.emulator.clear()
    running.store.clear()
    running.is_broken = False
    given = {"Authorization": "the store's", "X-Amz-Date": "now", "X-Amz-Content-SHA256": "hash"}
    signed = {front_door.SIGNING_HEADERS[name]: value for name, value in given.items()}
    running.answer = (200, {front_door.ROUTE_HEADER: front_door.TO_STORE, **signed}, b"")
    return running


def test_an_allowed_request_goes_to_the_store_with_its_body_and_the_platform_s_signature(world):
    sent = {**SIGNED, "X-Amz-Security-Token": "secret", "X-Amz-Tagging": "a=b", "X-Amz-Date": "then"}
    assert world.request("PUT", "/bucket/a%20b/%C3%A4+c%25?x=1", sent, b"body") == (200, b"store")
    [shown], [stored] = world.emulator, world.store
    # The emulator sees what was sent, but for the body
    assert (shown.method, shown.path, shown.body) == ("GET", front_door.AUTHORIZE_PATH, b"")
    assert shown.headers["x-forwarded-method"] == "PUT"
    assert shown.headers["x-forwarded-uri"] == "/bucket/a%20b/%C3%A4+c%25?x=1"
    assert shown.headers["authorization"] == SIGNED["Authorization"]
    assert shown.headers["x-amz-security-token"] == "secret"
    assert shown.headers[front_door.LENGTH_HEADER.lower()] == "4"
    # The store sees the platform's signature, and nothing of the client's
    assert (stored.method, stored.path, stored.body) == ("PUT", "/bucket/a%20b/%C3%A4+c%25?x=1", b"body")
    assert stored.headers["authorization"] == "the store's"
    assert stored.headers["x-amz-date"] == "now"
    assert stored.headers["x-amz-tagging"] == "a=b"
    assert "x-amz-security-token" not in stored.headers
    assert not [name for name in stored.headers if name.startswith("x-hpc-")]


def test_a_denied_request_ends_with_the_emulator_s_answer(world):
    world.answer = (403, {"Content-Type": "application/xml"}, b"<Error><Code>AccessDenied</Code></Error>")
    status, content = world.request("PUT", "/bucket/key", SIGNED, b"body")
    assert (status, content) == (403, b"<Error><Code>AccessDenied</Code></Error>")
    assert world.store == []


def test_a_request_that_is_the_emulator_s_own_goes_there_as_it_is(world):
    world.answer = (200, {front_door.ROUTE_HEADER: front_door.TO_EMULATOR}, b"")
    assert world.request("PUT", "/bucket?policy", SIGNED, b"policy") == (200, b"emulator")
    assert (world.emulator[-1].path, world.emulator[-1].body) == ("/bucket?policy", b"policy")
    assert world.store == []


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Algorithm=A&X-Amz-Credential=K%2F20260101%2Fr%2Fs3%2Faws4_request&X-Amz-Signature=s&versionId=1",
        "AWSAccessKeyId=K&Signature=s&Expires=1&versionId=1",
    ],
)
def test_a_presigned_request_loses_its_signature_on_the_way_to_the_store(world, query):
    assert world.request("GET", f"/bucket/key?{query}") == (200, b"store")
    assert world.emulator[0].headers["x-forwarded-uri"] == f"/bucket/key?{query}"
    assert world.store[0].path == "/bucket/key?versionId=1"


def test_nobody_but_the_emulator_names_the_route(world):
    spoofed = {front_door.ROUTE_HEADER: front_door.TO_STORE, "X-Hpc-Authorization": "mine"}
    assert world.request("GET", "/bucket/key", spoofed) == (200, b"emulator")
    world.answer = (200, {front_door.ROUTE_HEADER: front_door.TO_EMULATOR}, b"")
    assert world.request("GET", "/bucket/key", {**SIGNED, **spoofed}) == (200, b"emulator")
    assert world.store == []


def test_what_is_said_of_an_owner_reaches_the_api(world):
    said = {"X-Hpc-Owner": "alice@example.org", front_door.LENGTH_HEADER: "7"}
    assert world.request("GET", "/restapis/a1b2c3d4/v1/_user_request_/runs", said) == (200, b"emulator")
    headers = world.emulator[-1].headers
    assert headers["x-hpc-owner"] == "alice@example.org"
    assert front_door.LENGTH_HEADER.lower() not in headers


@pytest.mark.parametrize("path", ["/_hpc/authorize", "/_ministack/reset", "/_ministack/config"])
def test_inner_paths_are_closed(world, path):
    assert world.request("POST", path, SIGNED, b"")[0] == 403
    assert world.emulator == world.store == []


def test_the_health_check_is_open(world):
    assert world.request("GET", front_door.HEALTH_PATH) == (200, b"emulator")


def test_requests_of_other_services_go_to_the_emulator_at_once(world):
    other = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/states/aws4_request, Signature=0"}
    assert world.request("POST", "/", other, b"{}") == (200, b"emulator")
    assert [seen.path for seen in world.emulator] == ["/"]


def test_a_large_body_comes_through_whole(world):
    body = bytes(range(256)) * 200_000
    assert world.request("PUT", "/bucket/large", {**SIGNED, "Expect": "100-continue"}, body)[0] == 200
    assert world.store[0].body == body


def test_the_log_of_errors_tells_the_request_and_none_of_its_secrets(world):
    world.is_broken = True
    of_session = {"X-Amz-Security-Token": "token-in-header", "Cookie": "session=cookie", "X-Api-Key": "key"}
    query = "versionId=3&X-Amz-Security-Token=token-in-query&X-Amz-Credential=AKIA%2Fs3%2Faws4_request"
    signed = f"{query}&X-Amz-Signature=signature-4&AWSAccessKeyId=id&Signature=signature-2"
    assert world.request("GET", f"/bucket/key?{signed}", {**SIGNED, **of_session})[0] == 502
    told = world.log.read_text()
    assert "/bucket/key?versionId=3" in told
    secrets = ("token-in", "signature-", "cookie", "AKIA", "Signature", "X-Api-Key")
    assert [secret for secret in secrets if secret in told] == []


def test_it_listens_on_loopback_only_and_takes_no_orders():
    configuration = front_door.configuration(port=4566, store_host="127.0.0.1:1")
    assert configuration["apps"]["http"]["servers"]["front"]["listen"] == ["127.0.0.1:4566"]
    assert configuration["admin"]["disabled"] is True
