"""The client that is made ahead of jobs: the same as a new one, or not used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest

from hpc_job import s3, warm

ENVIRONMENT = {
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "OUTPUT_BUCKET": "bucket",
}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "secret 1", "AWS_SESSION_TOKEN": "token 1"}


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A process as a warm one is: with the platform's variables, and no keys."""
    use(monkeypatch, tmp_path, {})
    warm.up(os.environ)
    [made] = s3.PREPARED
    yield made.client
    s3.PREPARED.clear()


def use(monkeypatch: pytest.MonkeyPatch, home: Path, variables: Mapping[str, str]) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in {**ENVIRONMENT, "HOME": str(home), **variables}.items():
        monkeypatch.setenv(name, value)


def signed(client: Any) -> dict[str, str]:
    """The headers of a request as they would be sent."""
    seen: dict[str, str] = {}

    def keep(request: Any, **_: Any) -> Any:
        seen.update({name: str(value) for name, value in request.headers.items()})
        return warm.answer(request)

    client.meta.events.register_first("before-send.s3", keep, unique_id="test")
    client.get_object(Bucket="bucket", Key="key")
    client.meta.events.unregister("before-send.s3", unique_id="test")
    return seen


def test_each_job_signs_with_its_own_keys(prepared, monkeypatch, tmp_path) -> None:
    for number in ("1", "2"):
        keys = {name: value.replace("1", number) for name, value in KEYS.items()}
        use(monkeypatch, tmp_path, keys)
        client = s3.s3_client(os.environ)
        assert client is prepared
        headers = signed(client)
        assert f"Credential=AKIA{number}/" in headers["Authorization"]
        assert headers["X-Amz-Security-Token"] == f"b'token {number}'"


def test_keys_without_a_token_leave_none_of_the_job_before(prepared, monkeypatch, tmp_path) -> None:
    use(monkeypatch, tmp_path, KEYS)
    s3.s3_client(os.environ)
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    assert "X-Amz-Security-Token" not in signed(s3.s3_client(os.environ))


def test_it_is_what_a_new_one_is(prepared, monkeypatch, tmp_path) -> None:
    use(monkeypatch, tmp_path, KEYS)
    early = s3.s3_client(os.environ)
    s3.PREPARED.clear()
    late = s3.s3_client(os.environ)
    assert early is prepared
    assert late is not prepared
    assert early.meta.endpoint_url == late.meta.endpoint_url
    assert early.meta.region_name == late.meta.region_name
    ours, theirs = (vars(client.meta.config)["_user_provided_options"] for client in (early, late))
    assert ours | {"user_agent": ""} == theirs | {"user_agent": ""}  # it says where keys come from
    differ = ("Authorization", "X-Amz-Date", "amz-sdk-invocation-id", "User-Agent")
    ours, theirs = (
        {name: value for name, value in signed(client).items() if name not in differ} for client in (early, late)
    )
    assert ours == theirs


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_REGION": "us-east-1"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:2"},
        {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:2"},
        {"AWS_MAX_ATTEMPTS": "3"},
        {"AWS_CREDENTIAL_EXPIRATION": "2026-01-31T09:30:00Z"},
        {"HTTPS_PROXY": "http://127.0.0.1:3"},
        {"http_proxy": "http://127.0.0.1:3"},
        {"SSL_CERT_FILE": "/dev/null"},
        {"HOME": ""},
        {"AWS_ACCESS_KEY_ID": ""},
        {"AWS_SECRET_ACCESS_KEY": ""},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_other_settings_get_a_client_of_their_own(prepared, monkeypatch, tmp_path, variables) -> None:
    use(monkeypatch, tmp_path, KEYS)
    assert s3.s3_client(os.environ) is prepared
    assert s3.PREPARED[0].with_keys({**os.environ, **variables}) is None


@pytest.mark.parametrize("file", [".aws/config", ".boto"])
def test_a_configuration_at_home_is_read(prepared, monkeypatch, tmp_path, file: str) -> None:
    use(monkeypatch, tmp_path, KEYS)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    assert s3.s3_client(os.environ) is not prepared


def test_variables_of_batch_and_of_the_job_change_nothing(prepared, monkeypatch, tmp_path) -> None:
    use(monkeypatch, tmp_path, {**KEYS, "AWS_BATCH_JOB_ID": "job", "SHARD": "x", "OUTPUT_BUCKET": "other"})
    assert s3.s3_client(os.environ) is prepared


def test_what_answered_in_s3_s_place_is_gone(prepared) -> None:
    request = AWSRequest(method="GET", url="http://127.0.0.1:1").prepare()
    answers = prepared.meta.events.emit("before-send.s3.GetObject", request=request)
    assert [answer for _, answer in answers if answer is not None] == []


def test_a_container_makes_none(stage) -> None:
    """Where nobody asks for it, not even its module is imported."""
    check = (
        "import sys, hpc_job.run; sys.exit('hpc_job.warm' in sys.modules or bool(sys.modules['hpc_job.s3'].PREPARED))"
    )
    ended = subprocess.run([sys.executable, "-c", check], env=stage.environment("string_repeat"), check=False)
    assert ended.returncode == 0
