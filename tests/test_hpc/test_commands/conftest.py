"""The command line, called in this process; its platform is the emulator of the tests, or none."""

import json

import pytest
from click.testing import CliRunner

from hpc import cli, connecting
from hpc.commands import opening


def hpc(*args, **settings):
    return CliRunner().invoke(cli.main, [str(arg) for arg in args], **settings)


def take_for_an_account(monkeypatch, state):
    """From now on the emulator is an AWS account, with credentials and a Region in the environment, and no platform."""
    monkeypatch.setattr(connecting.platform, "running", lambda: None)
    for name, value in {
        "AWS_ENDPOINT_URL": state.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": state.region,
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def own_state_directory(monkeypatch, tmp_path):
    """The platform that runs in this checkout is none of the tests' business."""
    monkeypatch.setenv("HPC_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def no_platform(monkeypatch):
    monkeypatch.setattr(connecting.platform, "running", lambda: None)


@pytest.fixture
def platform_is_up(monkeypatch, platform_state, connection, stack):
    """The commands find the emulator of the tests as their platform."""
    monkeypatch.setattr(connecting.platform, "running", lambda: platform_state)
    monkeypatch.setattr(connecting, "to_laptop", lambda state: connection)
    monkeypatch.setattr(opening, "to_laptop", lambda state: connection)
    monkeypatch.setattr(opening.platform, "up", lambda **_: platform_state)


@pytest.fixture
def api(connection):
    """The stack of an API, which is all that says where it answers."""
    name = f"WebApplication-{connection.stack_name.removeprefix('Production-')}"
    url = "https://abc123.execute-api.us-east-1.amazonaws.com/v1"
    template = {"Resources": {"Any": {"Type": "AWS::SNS::Topic"}}, "Outputs": {"ApiUrl": {"Value": url}}}
    cloud_formation = connection.client("cloudformation")
    cloud_formation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    cloud_formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    yield f"{connection.endpoint_url}/restapis/abc123/v1/_user_request_"
    cloud_formation.delete_stack(StackName=name)
    cloud_formation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig={"Delay": 1})


@pytest.fixture
def lines_file(tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text("one\ntwo\nthree\n")
    return file


@pytest.fixture
def submitted(platform_is_up, lines_file, project):
    """The id of a run that goes on."""
    result = hpc("submit", lines_file, "--project", project, "--lines-per-shard", "2")
    assert result.exit_code == 0, result.output
    assert "Watch it: " in result.stderr
    return result.stdout.removesuffix("\n")
