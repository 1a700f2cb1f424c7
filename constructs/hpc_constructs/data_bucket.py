"""The bucket of uploads, shards and results."""

from collections.abc import Iterable, Sequence

from aws_cdk import Duration
from aws_cdk import aws_s3 as s3
from constructs import Construct

from hpc_constructs.object_ages import ObjectAges
from hpc_constructs.private_bucket import abort_uploads, expire, private_bucket
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
        if existing:
            self.bucket: s3.IBucket = s3.Bucket.from_bucket_name(self, "Bucket", existing)
            return
        log_rules = [expire(days=ages.access_logs_expired), abort_uploads()]
        access_logs = private_bucket(self, "AccessLogs", rules=log_rules, retain=retain)
        rules = list(_rules(workflows, ages))
        self.bucket = private_bucket(self, "Bucket", rules=rules, retain=retain, access_logs=access_logs)
        if not retain:
            end_provider_logs(self, EMPTIES_BUCKETS, retention_days=ages.access_logs_expired)


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
    yield abort_uploads()
