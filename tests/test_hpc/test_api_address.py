"""Where the API of a stack answers: on AWS under its own name, in an emulator under a path."""

import boto3
import pytest
from botocore.stub import Stubber

from hpc.api_address import api_url, find_api_url
from hpc.connection import Connection, client_config
from hpc.errors import PlatformUnreachable

URL = "https://abc123.execute-api.eu-central-1.amazonaws.com/v1"
STACK = {"StackName": "WebApplication-abc", "CreationTime": "2026-01-31T09:30:00Z", "StackStatus": "CREATE_COMPLETE"}


@pytest.fixture
def connection():
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-central-1")
    return Connection(stack_name="Production-abc", is_laptop=False, session=session, config=client_config())


@pytest.fixture
def answers(connection):
    """What CloudFormation says of the stack of the API, in order."""
    with Stubber(connection.client("cloudformation")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def add_stack(answers, **outputs):
    listed = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    answers.add_response(
        "describe_stacks", {"Stacks": [STACK | {"Outputs": listed}]}, {"StackName": STACK["StackName"]}
    )


def test_on_aws_it_is_the_output_of_the_stack(connection, answers):
    add_stack(answers, ApiUrl=URL)
    assert api_url(connection) == URL
    add_stack(answers, ApiUrl=URL)
    assert find_api_url(connection) == URL


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:4566", "http://localhost:4566"])
def test_in_an_emulator_the_id_and_the_stage_are_in_the_path(monkeypatch, connection, endpoint):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with Stubber(connection.client("cloudformation")) as answers:
        add_stack(answers, ApiUrl=URL)
        assert api_url(connection) == f"{endpoint}/restapis/abc123/v1/_user_request_"


def test_an_endpoint_of_a_private_network_is_no_emulator(monkeypatch, connection):
    monkeypatch.setenv(
        "AWS_ENDPOINT_URL_CLOUDFORMATION", "https://vpce-1.cloudformation.eu-central-1.vpce.amazonaws.com"
    )
    with Stubber(connection.client("cloudformation")) as answers:
        add_stack(answers, ApiUrl=URL)
        assert api_url(connection) == URL


def test_no_such_stack_says_where_it_was_looked_for_and_how_to_deploy_it(connection, answers):
    answers.add_client_error("describe_stacks", "ValidationError", "Stack with id WebApplication-abc does not exist")
    with pytest.raises(PlatformUnreachable) as refusal:
        api_url(connection)
    assert str(refusal.value) == (
        "Stack WebApplication-abc: found none of that name in eu-central-1; deploy it: cdk deploy WebApplication-abc "
        "(the API alone, without the page's image: -c webMinTasks=0)"
    )
    answers.add_client_error("describe_stacks", "ValidationError", "Stack with id WebApplication-abc does not exist")
    assert find_api_url(connection) is None


def test_a_stack_that_is_not_complete_has_no_address(connection, answers):
    add_stack(answers, PageDnsName="page.example.org")
    with pytest.raises(
        PlatformUnreachable, match=r"^Stack WebApplication-abc: its output ApiUrl is missing; deploy it"
    ):
        api_url(connection)
    add_stack(answers, PageDnsName="page.example.org")
    assert find_api_url(connection) is None
