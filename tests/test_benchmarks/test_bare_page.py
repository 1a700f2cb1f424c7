"""The yardstick: one item for one request, and the page's own gunicorn around it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
import urllib3
from botocore.stub import Stubber

from benchmarks import bare_page
from hpc.local.loopback import answers

KEY = {"pk": {"S": "RUN#1"}, "sk": {"S": "META"}}


def test_a_request_gets_one_item(monkeypatch):
    monkeypatch.setenv("BARE_TABLE", "Runs")
    monkeypatch.setenv("BARE_KEY", json.dumps(KEY))
    client = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setattr(bare_page.boto3, "client", lambda _service: client)
    with Stubber(client) as stub:
        stub.add_response("get_item", {"Item": KEY}, {"TableName": "Runs", "Key": KEY})
        answer = bare_page.make().test_client().get("/")
        stub.assert_no_pending_responses()
    assert (answer.status_code, answer.json) == (200, KEY)


def test_without_a_page_there_is_nothing_to_compare(tmp_path):
    page = bare_page.bare_page(tmp_path, endpoint_url="http://127.0.0.1:1", table="Runs", pk="RUN#1")
    with pytest.raises(RuntimeError, match="found no page"), page:
        pass


@pytest.fixture
def state(tmp_path):
    """A state folder of a platform that serves a page."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "tmp").mkdir()
    told = {"port": 1, "api_endpoint": "http://127.0.0.1:1", "region": "us-east-1"}
    keys = {"access_key_id": "a", "secret_access_key": "b", "session_key": "c"}
    (tmp_path / "web.json").write_text(json.dumps(told | keys))
    return tmp_path


class OneItem(BaseHTTPRequestHandler):
    """DynamoDB as far as the yardstick asks it."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        item = json.dumps({"Item": asked["Key"] | {"table": {"S": asked["TableName"]}}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(item)))
        self.end_headers()
        self.wfile.write(item)

    def log_message(self, *_arguments):
        """Nothing: the server's log is not this test's."""


@pytest.fixture
def dynamodb():
    with ThreadingHTTPServer(("127.0.0.1", 0), OneItem) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_it_is_served_as_long_as_it_is_wanted(state, dynamodb):
    with bare_page.bare_page(state, endpoint_url=dynamodb, table="Runs", pk="RUN#1") as url:
        answer = urllib3.request("GET", url, retries=False)
        assert (answer.status, answer.json()) == (200, KEY | {"table": {"S": "Runs"}})
    assert not answers(url)


def test_a_yardstick_that_does_not_start_is_told_with_its_log(state, monkeypatch):
    monkeypatch.setattr(bare_page, "ANSWERS_WITHIN_S", 10)
    monkeypatch.setattr(bare_page, "__name__", "benchmarks.nothing")
    page = bare_page.bare_page(state, endpoint_url="http://127.0.0.1:1", table="Runs", pk="RUN#1")
    with pytest.raises(RuntimeError, match=r"(?s)found no answer.*benchmarks\.nothing"), page:
        pass
