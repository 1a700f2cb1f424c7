"""Calls of a real server on loopback: what is timed, what is sent, what is refused; and what many calls add up to."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from botocore.credentials import Credentials

from benchmarks.timed_calls import Caller, WrongAnswer, in_turn, percentile, rate


class Echo(BaseHTTPRequestHandler):
    """Answers what it was asked, with the status that is the path's last part."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        told = json.dumps({"path": self.path, "headers": dict(self.headers), "body": sent.decode()}).encode()
        self.send_response(int(self.path.rpartition("/")[2]))
        self.send_header("Location", "/200")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    do_GET = do_POST = answer

    def log_message(self, *_arguments):
        """Nothing: the server's log is not this test's."""


@pytest.fixture(scope="module")
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def caller(url):
    return Caller(url, "us-east-1", Credentials("key", "secret"), connections=1)


def test_a_call_of_the_api_is_signed_and_its_body_is_json(caller):
    answer = caller.api("POST", "/201", {"a": 1}, expected=201, Idempotency_Key="k")
    headers = answer.document["headers"]
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/")
    assert "/us-east-1/execute-api/" in headers["Authorization"]
    assert (headers["Idempotency-Key"], headers["Content-Type"]) == ("k", "application/json")
    assert answer.document["body"] == '{"a": 1}'
    assert answer.seconds > 0


def test_a_page_is_asked_for_without_a_signature(caller, url):
    assert "Authorization" not in caller.get(f"{url}/200").document["headers"]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_another_status_is_no_answer_and_redirections_are_not_followed(caller, url, status):
    with pytest.raises(WrongAnswer, match=f"found {status}, expected 200"):
        caller.get(f"{url}/{status}")
    with pytest.raises(WrongAnswer, match=f"found {status}, expected 201"):
        caller.api("POST", f"/{status}", {}, expected=201)


def test_a_server_that_is_gone_is_told(caller):
    with pytest.raises(WrongAnswer, match=r"GET http://127\.0\.0\.1:1/"):
        caller.get("http://127.0.0.1:1/")


def test_calls_take_turns_and_each_round_begins_with_another():
    made = []

    def call(name):
        return lambda: made.append(name) or float(len(made))

    assert in_turn({"a": call("a"), "b": call("b"), "c": call("c")}, 3) == {
        "a": [1.0, 6.0, 8.0],
        "b": [2.0, 4.0, 9.0],
        "c": [3.0, 5.0, 7.0],
    }
    assert "".join(made) == "abcbcacab"


@pytest.mark.parametrize(
    ("count", "percent", "expected"), [(100, 50, 50), (100, 99, 99), (100, 100, 100), (3, 50, 2), (1, 99, 1), (1, 0, 1)]
)
def test_a_percentile_is_one_of_the_values(count, percent, expected):
    assert percentile(range(count, 0, -1), percent) == expected


def test_a_rate_is_that_of_all_callers_together():
    assert rate([0.5, 1.5], 1) == 1.0
    assert rate([0.5, 1.5], 4) == 4.0
