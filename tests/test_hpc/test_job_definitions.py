"""The job definitions of a run, and the ids of their code."""

import dataclasses

import boto3
import pytest
from botocore.stub import Stubber

from hpc import job_definitions
from hpc.connection import Connection
from hpc.errors import PlatformUnreachable
from hpc.job_definitions import arns_of, code_ids, newest

IN_ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com/batch_abc/string_split:latest"
real_image_id = job_definitions.image_id


def test_the_newest_revisions_are_taken(connection, stack, string_processing):
    found = arns_of(newest(connection, stack, string_processing))
    named = stack.job_definitions["string_processing"]
    for job, arn in found.items():
        assert arn.rpartition(":")[0] == named[job].rpartition(":")[0]
        assert int(arn.rpartition(":")[2]) > int(named[job].rpartition(":")[2])


def test_a_job_without_a_definition_is_refused(connection, stack, string_processing):
    bare = dataclasses.replace(stack, job_definitions={})
    with pytest.raises(PlatformUnreachable) as refusal:
        newest(connection, bare, string_processing)
    assert str(refusal.value) == (
        "Stack Production-test: found no job definition string_split of string_processing; expected one; deploy again"
    )


def test_the_code_of_a_job_is_its_image_its_command_and_its_environment(
    connection, stack, string_processing, image_digests
):
    definitions = newest(connection, stack, string_processing)
    before = code_ids(connection, definitions)
    assert code_ids(connection, definitions) == before
    assert len(set(before.values())) == len(before)

    image_digests.change("string_repeat")
    after = code_ids(connection, definitions)
    assert {job for job in before if after[job] != before[job]} == {"string_repeat"}


@pytest.mark.parametrize(
    "change", [{"command": ["true"]}, {"environment": [{"name": "LANG", "value": "C"}]}, {"image": "other"}]
)
def test_what_changes_the_code_of_a_job(connection, change):
    container = {"image": "a", "command": ["false"], "environment": []}
    one, other = (code_ids(connection, {"job": {"containerProperties": c}}) for c in (container, container | change))
    assert one != other


@pytest.mark.parametrize("change", [{"memory": 5}, {"user": "root"}, {"jobRoleArn": "arn:other"}])
def test_what_does_not_change_it(connection, change):
    container = {"image": "a", "command": ["false"]}
    one, other = (code_ids(connection, {"job": {"containerProperties": c}}) for c in (container, container | change))
    assert one == other


@pytest.fixture
def in_aws():
    """A connection to AWS whose ECR is a stub."""
    session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
    connection = Connection(stack_name="Production-abc", is_laptop=False, session=session, config=None)
    with Stubber(connection.client("ecr")) as stub:
        yield connection, stub


ASKED = {
    "registryId": "123456789012",
    "repositoryName": "batch_abc/string_split",
    "imageIds": [{"imageTag": "latest"}],
}


def test_on_aws_a_tag_is_looked_up(in_aws):
    connection, ecr = in_aws
    ecr.add_response("describe_images", {"imageDetails": [{"imageDigest": "sha256:" + "0" * 64}]}, ASKED)
    assert real_image_id(connection, IN_ECR) == "sha256:" + "0" * 64


@pytest.mark.parametrize("code", ["AccessDeniedException", "ImageNotFoundException", "RepositoryNotFoundException"])
def test_without_permission_the_name_stands_for_the_image(in_aws, code):
    connection, ecr = in_aws
    ecr.add_client_error("describe_images", code)
    assert real_image_id(connection, IN_ECR) == IN_ECR


@pytest.mark.parametrize("image", [f"{IN_ECR.partition(':')[0]}@sha256:{'1' * 64}", "public.ecr.aws/x/y:1", "busybox"])
def test_a_digest_and_an_image_from_elsewhere_stand_for_themselves(in_aws, image):
    assert real_image_id(in_aws[0], image) == image
