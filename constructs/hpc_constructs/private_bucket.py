"""Buckets that nobody outside the account may see, and what becomes of them."""

from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct


def private_bucket(
    scope: Construct,
    construct_id: str,
    *,
    rules: list[s3.LifecycleRule],
    retain: bool,
    access_logs: s3.IBucket | None = None,
) -> s3.Bucket:
    """A bucket that takes TLS only, encrypted with keys of S3; emptied and deleted with the stack unless retained.

    Retained means with what is in it; a bucket of a deployment that never succeeded is not left behind.
    """
    removal = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if retain else RemovalPolicy.DESTROY
    bucket = s3.Bucket(
        scope,
        construct_id,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        server_access_logs_bucket=access_logs,
        lifecycle_rules=rules,
        removal_policy=removal,
        auto_delete_objects=not retain,
    )
    # A bucket that stays keeps its policy: TLS only, and access logs may be written.
    cast(s3.BucketPolicy, bucket.policy).apply_removal_policy(removal)
    return bucket


def expire(*, days: int) -> s3.LifecycleRule:
    """Deletes every object at this age."""
    return s3.LifecycleRule(id="Expire", expiration=Duration.days(days))


def abort_uploads() -> s3.LifecycleRule:
    """Deletes what uploads left that were never finished."""
    return s3.LifecycleRule(id="AbortUploads", abort_incomplete_multipart_upload_after=Duration.days(7))
