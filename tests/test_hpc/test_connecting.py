"""Where the command line finds its stack, and what it leaves of the person's own settings."""

import pytest

from hpc import connecting
from hpc.connecting import connect, to_aws, to_laptop
from hpc.errors import PlatformUnreachable


def test_without_a_platform_there_is_nothing_to_connect_to(monkeypatch):
    monkeypatch.setattr(connecting.platform, "running", lambda: None)
    with pytest.raises(PlatformUnreachable) as refusal:
        connect()
    assert str(refusal.value) == "No platform is running on this machine. Start it: hpc up"
    assert refusal.value.exit_code == 3


def test_the_persons_own_aws_settings_do_not_disturb_the_laptop(monkeypatch, platform_state):
    for name, value in {
        "AWS_PROFILE": "nobody",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_SESSION_TOKEN": "another account's",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
        "AWS_CONFIG_FILE": "/no/such/file",
    }.items():
        monkeypatch.setenv(name, value)
    s3 = to_laptop(platform_state).client("s3")
    assert isinstance(s3.list_buckets()["Buckets"], list)
    assert s3._request_signer._credentials.token is None


@pytest.mark.parametrize(
    ("environment", "region"),
    [
        ({"AWS_REGION": "eu-west-3"}, "eu-west-3"),
        ({"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "us-west-2"}, "eu-west-3"),
        ({"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-west-2"}, "us-west-2"),
        ({}, None),
    ],
)
def test_the_region_on_aws_comes_from_either_variable(monkeypatch, environment, region):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/no/such/file")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert to_aws("Production-abc").session.region_name == region
