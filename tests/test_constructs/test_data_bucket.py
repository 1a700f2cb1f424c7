"""The data bucket: private, encrypted, logged, with a lifecycle that reaches what workflows name and nothing else."""

from typing import Any

import pytest

from tests.synthesis import Synthesized, synthesize


def rules(assembly: Synthesized) -> dict[str, dict[str, Any]]:
    bucket = assembly.one("AWS::S3::Bucket", "DataBucket")
    return {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}


@pytest.mark.parametrize("prefix", ["uploads/", "source/", "result/"])
def test_an_archived_prefix_goes_to_glacier_then_deep_archive_then_away(production: Synthesized, prefix: str) -> None:
    assert rules(production)[f"Archive-{prefix.strip('/')}"] == {
        "Id": f"Archive-{prefix.strip('/')}",
        "Status": "Enabled",
        "Prefix": prefix,
        "Transitions": [
            {"StorageClass": "GLACIER", "TransitionInDays": 30},
            {"StorageClass": "DEEP_ARCHIVE", "TransitionInDays": 120},
        ],
        "ExpirationInDays": 365,
    }


def test_intermediate_objects_expire_by_tag_before_anything_is_archived(production: Synthesized) -> None:
    rule = rules(production)["Expire-retention-intermediate"]
    assert rule["TagFilters"] == [{"Key": "retention", "Value": "intermediate"}]
    assert rule["ExpirationInDays"] == 8
    assert "Transitions" not in rule
    assert "Prefix" not in rule


def test_unfinished_uploads_end_after_seven_days(production: Synthesized) -> None:
    for bucket in production.resources("AWS::S3::Bucket").values():
        aborts = [
            rule for rule in bucket["LifecycleConfiguration"]["Rules"] if "AbortIncompleteMultipartUpload" in rule
        ]
        assert [rule["AbortIncompleteMultipartUpload"] for rule in aborts] == [{"DaysAfterInitiation": 7}]
        assert "Prefix" not in aborts[0]


def test_reference_data_is_reached_by_no_rule_that_archives_or_expires(production: Synthesized) -> None:
    reaching = [
        rule
        for rule in rules(production).values()
        if "ref_data/derep_all.fa".startswith(rule.get("Prefix", "")) and "TagFilters" not in rule
    ]
    assert [rule["Id"] for rule in reaching] == ["AbortUploads"]


def test_days_are_settings() -> None:
    found = rules(
        synthesize(
            archiveAfterDays="60", deepArchiveAfterDays="180", expireAfterDays="730", intermediateExpireAfterDays="14"
        )
    )
    assert [step["TransitionInDays"] for step in found["Archive-result"]["Transitions"]] == [60, 180]
    assert found["Archive-result"]["ExpirationInDays"] == 730
    assert found["Expire-retention-intermediate"]["ExpirationInDays"] == 14


@pytest.mark.parametrize("part", ["DataBucket", "DataAccessLogs"])
def test_a_bucket_that_stays_keeps_its_policy(production: Synthesized, part: str) -> None:
    template = production.template["Resources"]
    for kind in ("AWS::S3::Bucket", "AWS::S3::BucketPolicy"):
        assert template[production.name_of(kind, part)]["DeletionPolicy"] == "RetainExceptOnCreate"


@pytest.mark.parametrize("part", ["DataBucket", "DataAccessLogs"])
def test_no_public_access_encrypted_and_tls_only(production: Synthesized, part: str) -> None:
    bucket = production.one("AWS::S3::Bucket", part)
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert "AES256" in str(bucket["BucketEncryption"])
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    statements = production.one("AWS::S3::BucketPolicy", part)["PolicyDocument"]["Statement"]
    denied = next(each for each in statements if each["Effect"] == "Deny")
    assert denied["Action"] == "s3:*"
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert len(denied["Resource"]) == 2


def test_access_is_logged_to_a_bucket_that_forgets(production: Synthesized) -> None:
    logs = production.name_of("AWS::S3::Bucket", "DataAccessLogs")
    bucket = production.one("AWS::S3::Bucket", "DataBucket")
    assert bucket["LoggingConfiguration"]["DestinationBucketName"] == {"Ref": logs}
    expiry = production.one("AWS::S3::Bucket", "DataAccessLogs")["LifecycleConfiguration"]["Rules"][0]
    assert expiry == {"Id": "Expire", "Status": "Enabled", "ExpirationInDays": 90}


def test_an_existing_bucket_is_taken_over_and_none_is_made() -> None:
    assembly = synthesize(existingDataBucket="kept-bucket", existingTable="Kept-Runs")
    assert assembly.resources("AWS::S3::Bucket") == {}
    assert assembly.template["Outputs"]["S3BucketForAWSBatch"]["Value"] == "kept-bucket"
    assert "arn:aws:s3:::kept-bucket/uploads/*" in str(assembly.resources("AWS::IAM::Policy"))


def test_emptying_the_buckets_leaves_no_log_group_behind() -> None:
    """The CDK's function would log to a group that Lambda makes and nobody deletes."""
    assembly = synthesize(retainData="false")
    emptier = assembly.one("AWS::Lambda::Function", "CustomS3AutoDelete")
    group = emptier["LoggingConfig"]["LogGroup"]["Ref"]
    assert assembly.template["Resources"][group]["DeletionPolicy"] == "Delete"
    role = assembly.one("AWS::IAM::Role", "CustomS3AutoDelete")
    assert "ManagedPolicyArns" not in role
    statements = [each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]]
    assert statements == [
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": {"Fn::GetAtt": [group, "Arn"]},
        }
    ]
