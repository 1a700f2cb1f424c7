"""Settings, wording, the picture of the steps, typed values: pure functions by table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_docker_image.web import conftest  # noqa: F401 -- puts the page on the path
from tests.test_docker_image.web.signature import CREDENTIALS

SETTINGS = {"API_ENDPOINT": "https://api.example.org/v1/", "AWS_REGION": "eu-central-1", "SESSION_KEY": "k" * 32}


def test_settings_come_from_the_environment():
    from web_application.config import Config

    config = Config.from_environment(SETTINGS | {"TRUSTED_HOSTS": "a.example.org, b", "TRUSTED_PROXIES": "1"})
    assert config.api_endpoint == "https://api.example.org/v1"
    assert (config.trusted_hosts, config.trusted_proxies) == (("a.example.org", "b"), 1)
    assert "k" * 32 not in repr(config)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("API_ENDPOINT", "", "API_ENDPOINT: found nothing"),
        ("API_ENDPOINT", "api.example.org", "expected an http or https URL"),
        ("API_ENDPOINT", "https://a/?x=1", "expected an http or https URL"),
        ("AWS_REGION", " ", "AWS_REGION: found nothing"),
        ("SESSION_KEY", "", "SESSION_KEY: found nothing"),
        ("SESSION_KEY", "short", "SESSION_KEY: found 5 characters"),
        ("SESSION_COOKIE", "a=b", "SESSION_COOKIE: found 'a=b'; expected 1 to 64 of A-Z"),
        ("SESSION_COOKIE", "c" * 65, "expected 1 to 64"),
        ("TRUSTED_PROXIES", "-1", "TRUSTED_PROXIES: found '-1'; expected a whole number from 0 to 5"),
        ("TRUSTED_PROXIES", "9", "TRUSTED_PROXIES: found '9'"),
        ("UPLOAD_MAX_BYTES", "20 MB", "UPLOAD_MAX_BYTES: found '20 MB'"),
        ("POLL_SECONDS", "0", "POLL_SECONDS: found '0'"),
    ],
)
def test_a_wrong_setting_is_named(name, value, said):
    from web_application.config import Config, WrongSetting

    with pytest.raises(WrongSetting) as raised:
        Config.from_environment(SETTINGS | {name: value})
    assert str(raised.value).startswith(name)
    assert said in str(raised.value)
    assert SETTINGS["SESSION_KEY"] not in str(raised.value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0, "0 s"), (59.6, "1 min 0 s"), (192, "3 min 12 s"), (3661, "1 h 1 min"), (180000, "2 d 2 h")],
)
def test_durations(client_of_nothing, seconds, text):
    from web_application.wording import duration

    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (99_949, "99.9 kB"), (20_000_000, "20.0 MB")]
)
def test_sizes(count, text):
    from web_application.wording import size

    assert size(count) == text


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (None, "cost_usd", "unknown"),
        ({"low": 1.5, "high": 2}, "cost_usd", "$1.50 – $2.00"),
        ([0.001, 0.001], "cost_usd", "$0.0010"),
        (0, "cost_usd", "$0.00"),
        ({"spot": 1.0, "on_demand": None}, "cost_usd", "Spot: 1.00; On demand: unknown"),
        (1234, "jobs", "1,234"),
        ("<b>", "basis", "&lt;b&gt;"),
        ("earlier runs", "basis", "earlier runs"),
        ({"low": 0.00001, "high": 0.0002}, "cost_usd", "&lt; $0.0001 – $0.0002"),
    ],
)
def test_an_estimate_of_any_shape_is_written_and_what_is_unknown_is_never_nothing(client_of_nothing, value, name, text):
    from web_application.estimates import amount

    assert str(amount(value, name)) == text


@pytest.mark.parametrize("part", ["", ".", ".."])
def test_no_call_leaves_the_path_that_it_names(part):
    from web_application.api import Api, Problem

    api = Api("http://127.0.0.1:9/prod", "eu-central-1", CREDENTIALS)
    with pytest.raises(Problem) as refused:
        api.get("runs", part)
    assert refused.value.status == 404


@pytest.fixture
def client_of_nothing():
    """A request, since words depend on its language."""
    from flask import Flask

    app = Flask("nothing")
    app.secret_key = "nothing"
    with app.test_request_context():
        yield


@pytest.mark.parametrize(
    ("text", "width", "lines", "expected"),
    [
        ("Split into shards", 23, 1, ("Split into shards",)),
        ("Split into shards", 10, 1, ("Split int…",)),
        ("Join repeated shards", 14, 2, ("Join repeated", "shards")),
        ("Join repeated shards of all", 14, 2, ("Join repeated", "shards of all")),
        ("Join repeated shards of all kinds", 14, 2, ("Join repeated", "shards of all…")),
        ("合并重复的分片", 14, 1, ("合并重复的分片",)),
        ("合并重复的分片", 8, 2, ("合并重复", "的分片")),
        ("Abcdefghijklmnopqrstuvwxyz", 10, 2, ("Abcdefghi…",)),
        ("Abcdefghijklmnopqrstuvwxyz now", 10, 2, ("Abcdefghi…", "now")),
        ("Abcdefghijklm ", 10, 2, ("Abcdefghi…",)),
        ("", 10, 1, ()),
    ],
)
def test_titles_are_fitted_into_boxes(text, width, lines, expected):
    from web_application.graph import fitted

    assert fitted(text, width, lines) == expected


@given(st.text(max_size=60), st.integers(3, 30), st.integers(1, 3))
def test_a_fitted_title_is_never_wider_than_its_box(text, width, lines):
    from web_application.graph import _width, fitted

    found = fitted(text, width, lines)
    assert len(found) <= lines
    assert all(_width(line) <= width for line in found)


@given(st.lists(st.sets(st.integers(0, 9)), max_size=8), st.booleans())
def test_no_two_boxes_overlap_and_each_line_goes_forward(wanted, downwards):
    from web_application.graph import picture, steps

    described = [
        {"state": str(number), "title": str(number), "after": [str(each) for each in after if each < number]}
        for number, after in enumerate(wanted)
    ]
    found = picture(steps({"steps": described}, []), str.upper, downwards=downwards)
    assert len({(box.x, box.y) for box in found.boxes}) == len(described)
    places = {box.step.state: box for box in found.boxes}
    for box in found.boxes:
        assert 0 <= box.x <= found.width - found.shape.width
        assert 0 <= box.y <= found.height - found.shape.height
        for before in box.step.after:
            earlier = places[before]
            assert (earlier.y < box.y) if downwards else (earlier.x < box.x)
    assert len(found.lines) == sum(len(each["after"]) for each in described)


@pytest.mark.parametrize(
    ("rule", "text", "value"),
    [
        ({"type": "integer"}, "12", 12),
        ({"type": "integer"}, " 12 ", 12),
        ({"type": "integer"}, "12.0", "12.0"),
        ({"type": "integer"}, "9" * 5000, "9" * 5000),
        ({"type": "number"}, "1.5e3", 1500.0),
        ({"type": "number"}, "nan", "nan"),
        ({"type": "string"}, " a ", " a "),
        ({"type": "boolean"}, "true", True),
        ({"type": "boolean"}, "", False),
    ],
)
def test_typed_values(rule, text, value):
    from web_application.form import typed

    assert typed({"properties": {"x": rule}}, {"x": text}) == {"x": value}


def test_what_is_empty_is_left_out():
    from web_application.form import typed

    assert typed({"properties": {"x": {"type": "integer"}, "y": {"type": "string"}}}, {"x": "", "z": "1"}) == {}
