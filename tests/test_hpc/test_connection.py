"""How the platform is reached, and what is said when it is not."""

import dataclasses

import pytest
from botocore.exceptions import (
    ClientError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    SSOTokenLoadError,
    TokenRetrievalError,
)

from hpc.connecting import to_laptop
from hpc.connection import error_code, reporting_unreachable
from hpc.errors import PlatformUnreachable


def client_error(code):
    return ClientError({"Error": {"Code": code, "Message": "why not"}}, "DescribeStacks")


def test_a_client_is_made_once(connection):
    assert connection.client("s3") is connection.client("s3")


def test_a_platform_that_does_not_answer_is_told(platform_state):
    gone = to_laptop(dataclasses.replace(platform_state, endpoint_url="http://127.0.0.1:1"))
    expected = pytest.raises(PlatformUnreachable, match=r"^The platform does not answer: .* Is it up\? hpc up$")
    with expected, reporting_unreachable():
        gone.client("sts").get_caller_identity()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            NoCredentialsError(),
            "AWS credentials: found none; expected a profile, environment variables or a role; set them up (aws "
            "configure), or leave --stack out to work on this machine",
        ),
        (NoRegionError(), "AWS region: found none; expected the stack's; set AWS_REGION"),
        (
            client_error("ExpiredToken"),
            "AWS credentials: found expired ones; expected ones that are valid now; sign in again (aws sso login), or "
            "set new ones in the environment",
        ),
        (
            TokenRetrievalError(provider="sso", error_msg="Token has expired and refresh failed"),
            "AWS credentials: Error when retrieving token from sso: Token has expired and refresh failed; sign in "
            "again: aws sso login",
        ),
        (
            SSOTokenLoadError(error_msg="Token for lab does not exist"),
            "AWS credentials: Error loading SSO Token: Token for lab does not exist; sign in again: aws sso login",
        ),
        (client_error("AccessDenied"), "AWS refused DescribeStacks: AccessDenied: why not"),
        (ProfileNotFound(profile="x"), "AWS cannot be used: The config profile (x) could not be found"),
    ],
)
def test_what_aws_says_no_to_is_told_in_one_line(error, message):
    with pytest.raises(PlatformUnreachable) as refusal, reporting_unreachable():
        raise error
    assert str(refusal.value) == message


def test_our_own_errors_pass():
    with pytest.raises(ZeroDivisionError), reporting_unreachable():
        raise ZeroDivisionError


def test_error_code():
    assert error_code(client_error("404")) == "404"


def test_s3_signs_as_s3_wants_it_and_the_others_as_they_do(platform_state):
    connection = to_laptop(platform_state)
    versions = {name: connection.client(name)._request_signer.signature_version for name in ("s3", "batch", "sts")}
    assert versions == {"s3": "s3v4", "batch": "v4", "sts": "v4"}
    url = connection.client("s3").generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "a b"})
    assert "X-Amz-Signature=" in url
