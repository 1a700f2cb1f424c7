"""Ports that are free or taken, and servers that answer, refuse or are not there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hpc.local.loopback import answers, free_port, is_free, wait_until_it_answers


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_port_that_somebody_listens_on_is_not_free(taken):
    assert not is_free(taken)


def test_a_wanted_port_is_taken_while_it_is_free_and_another_one_when_it_is_not(taken):
    other = free_port(taken)
    assert other != taken
    assert is_free(other)
    assert free_port(other) == other


def test_without_a_wanted_port_any_free_one_is_given():
    port = free_port()
    assert port > 0
    assert is_free(port)


class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), getattr(request, "param", Health))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_only_a_200_is_an_answer_and_no_proxy_is_asked(url, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert answers(f"{url}/healthz")
    assert not answers(f"{url}/elsewhere")


def test_nobody_answers_on_a_free_port():
    assert not answers(f"http://127.0.0.1:{free_port()}/healthz")


def test_what_does_not_speak_http_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet():
            connection, _ = other.accept()
            with connection:
                connection.sendall(b"220 mail.example.org\r\n")
                connection.recv(4096)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        assert not answers(f"http://127.0.0.1:{other.getsockname()[1]}/healthz")
        thread.join()


class LateHealth(Health):
    """Answers from the third request on."""

    asked = 0

    def do_GET(self):
        type(self).asked += 1
        self.path = "/healthz" if self.asked > 2 else "/not-yet"
        super().do_GET()


@pytest.mark.parametrize("url", [LateHealth], indirect=True)
def test_who_answers_late_is_waited_for(url):
    assert wait_until_it_answers(f"{url}/healthz", within_s=10)
    assert LateHealth.asked == 3


def test_nobody_is_waited_for_longer_than_wanted():
    assert not wait_until_it_answers(f"http://127.0.0.1:{free_port()}/healthz", within_s=0.2)


def test_a_process_that_has_ended_is_not_asked(url):
    assert not wait_until_it_answers(f"{url}/healthz", within_s=10, has_ended=lambda: True)
