"""The bucket of uploads, shards and results."""

from collections.abc import Iterable, Sequence
from typing import cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_s3 as s3
from constructs import Construct

from hpc_constructs.object_ages import ObjectAges
from hpc_constructs.provider_logs import EMPTIES_BUCKETS, end_provider_logs
from hpc_constructs.workflow_parts import WorkflowFolder


class DataBucket(Construct):
    """The data bucket with its lifecycle, and the bucket of its access logs.

    Exposes `bucket`. Costs while idle: what is stored. Encrypted with keys of S3: KMS would add a call and its price
    to every shard, and protects no better against whoever may read the bucket. Not versioned: results are made again
    from their inputs, and old versions would double what is stored. An existing bucket is taken over by its name and
    keeps the lifecycle, policy and access logs that it has: lifecycle settings and new prefixes do not reach it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        workflows: Sequence[WorkflowFolder],
        ages: ObjectAges,
        retain: bool,
        existing: str,
    ) -> None:
        super().__init__(scope, construct_id)
        # Kept with what is in it, but a bucket of a deployment that never succeeded is not left behind.
        self._removal = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if retain else RemovalPolicy.DESTROY
        if existing:
            self.bucket: s3.IBucket = s3.Bucket.from_bucket_name(self, "Bucket", existing)
            return
        access_logs = self._bucket("AccessLogs", [_access_logs(ages), _abort_uploads()])
        self.bucket = self._bucket("Bucket", list(_rules(workflows, ages)), access_logs=access_logs)
        if not retain:
            end_provider_logs(self, EMPTIES_BUCKETS, retention_days=ages.access_logs_expired)

    def _bucket(
        self, construct_id: str, rules: list[s3.LifecycleRule], *, access_logs: s3.IBucket | None = None
    ) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            construct_id,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            server_access_logs_bucket=access_logs,
            lifecycle_rules=rules,
            removal_policy=self._removal,
            auto_delete_objects=self._removal == RemovalPolicy.DESTROY,
        )
        # A bucket that stays keeps its policy: TLS only, and access logs may be written.
        cast(s3.BucketPolicy, bucket.policy).apply_removal_policy(self._removal)
        return bucket


def _rules(workflows: Sequence[WorkflowFolder], ages: ObjectAges) -> Iterable[s3.LifecycleRule]:
    """One rule a prefix that workflows archive, one rule an object tag; where both apply, the earlier expiry counts.

    Objects under 128 KB are not moved (a move would cost more than it saves) but expire all the same.
    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html
    """
    moves = {s3.StorageClass.GLACIER: ages.archived, s3.StorageClass.DEEP_ARCHIVE: ages.deep_archived}
    for prefix in sorted({prefix for workflow in workflows for prefix in workflow.archived_prefixes}):
        yield s3.LifecycleRule(
            id=f"Archive-{prefix.strip('/').replace('/', '-')}",
            prefix=prefix,
            transitions=[
                s3.Transition(storage_class=storage_class, transition_after=Duration.days(days))
                for storage_class, days in moves.items()
            ],
            expiration=Duration.days(ages.expired),
        )
    for name, value in sorted({workflow.intermediate_tag for workflow in workflows if workflow.intermediate_tag}):
        yield s3.LifecycleRule(
            id=f"Expire-{name}-{value}",
            tag_filters={name: value},
            expiration=Duration.days(ages.intermediate_expired),
        )
    yield _abort_uploads()


def _access_logs(ages: ObjectAges) -> s3.LifecycleRule:
    return s3.LifecycleRule(id="Expire", expiration=Duration.days(ages.access_logs_expired))


def _abort_uploads() -> s3.LifecycleRule:
    return s3.LifecycleRule(id="AbortUploads", abort_incomplete_multipart_upload_after=Duration.days(7))
