"""The yardstick: one item for one request, and the page's own gunicorn around it."""

import json

import boto3
import pytest
from botocore.stub import Stubber

from benchmarks import bare_page

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


def test_a_yardstick_that_does_not_start_is_told_with_its_log(tmp_path, monkeypatch):
    (tmp_path / "logs").mkdir()
    (tmp_path / "tmp").mkdir()
    told = {"port": 1, "api_endpoint": "http://127.0.0.1:1", "region": "us-east-1"}
    keys = {"access_key_id": "a", "secret_access_key": "b", "session_key": "c"}
    (tmp_path / "web.json").write_text(json.dumps(told | keys))
    monkeypatch.setattr(bare_page, "ANSWERS_WITHIN_S", 10)
    monkeypatch.setattr(bare_page, "__name__", "benchmarks.nothing")
    page = bare_page.bare_page(tmp_path, endpoint_url="http://127.0.0.1:1", table="Runs", pk="RUN#1")
    with pytest.raises(RuntimeError, match=r"(?s)found no answer.*benchmarks\.nothing"), page:
        pass
