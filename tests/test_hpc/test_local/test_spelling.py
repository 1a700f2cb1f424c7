"""Batch and S3 as CloudFormation, Step Functions and the APIs spell them."""

from __future__ import annotations

import boto3
import pytest

from hpc.local.spelling import batch_request, camel, lifecycle_rule, pascal


def test_names_of_people_keep_their_spelling():
    given = {"JobName": "a", "Tags": {"Run_id": "x"}, "ContainerOverrides": {"Environment": [{"Name": "N"}]}}
    expected = {"jobName": "a", "tags": {"Run_id": "x"}, "containerOverrides": {"environment": [{"name": "N"}]}}
    assert camel(given) == expected
    assert pascal(expected) == given


def test_what_only_cloudformation_knows_is_left_out():
    assert batch_request({"ReplaceComputeEnvironment": False, "Type": "MANAGED"}) == {"type": "MANAGED"}


@pytest.mark.parametrize(
    ("rule", "conditions"),
    [
        ({"Prefix": "uploads/"}, {"Prefix": "uploads/"}),
        ({"TagFilters": [{"Key": "k", "Value": "v"}]}, {"Tag": {"Key": "k", "Value": "v"}}),
        ({}, {"Prefix": ""}),
        (
            {"Prefix": "p", "TagFilters": [{"Key": "k", "Value": "v"}]},
            {"And": {"Tags": [{"Key": "k", "Value": "v"}], "Prefix": "p"}},
        ),
    ],
)
def test_a_lifecycle_rule_is_one_that_s3_s_api_takes(rule, conditions):
    given = rule | {
        "Id": "r",
        "Status": "Enabled",
        "ExpirationInDays": 365,
        "Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 30}],
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    spelled = lifecycle_rule(given)
    assert spelled["Filter"] == conditions
    model = boto3.client("s3", region_name="us-east-1").meta.service_model
    shape = model.operation_model("PutBucketLifecycleConfiguration").input_shape
    from botocore.validate import ParamValidator

    report = ParamValidator().validate({"Bucket": "b", "LifecycleConfiguration": {"Rules": [spelled]}}, shape)
    assert not report.has_errors(), report.generate_report()
