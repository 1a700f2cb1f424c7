"""What becomes of objects, rows and logs."""

from itertools import pairwise
from typing import Self

from pydantic import model_validator

from hpc_constructs.object_ages import ObjectAges
from hpc_constructs.settings.fields import SettingsError, SettingsPart, number, setting
from hpc_constructs.settings.types import LOG_RETENTION_DAYS, BucketName, Buckets, Count, Flag, RetentionDays, TableName

BUCKET_NAME_ALLOWED = "an S3 bucket name (3 to 63 of a-z, 0-9, '.' and '-')"
BUCKETS_ALLOWED = "bucket:keys with ',' between patterns of keys and ';' between buckets"
MOST_DAYS = 36_500


class DataSettings(SettingsPart):
    """Where data lies, and for how long."""

    archive_after_days: Count = number(
        "archiveAfterDays",
        30,
        between=(1, MOST_DAYS),
        unit="days",
        example="60",
        meaning="Uploads, sources and results move to Glacier Flexible Retrieval at this age",
    )
    deep_archive_after_days: Count = number(
        "deepArchiveAfterDays",
        120,
        between=(1, MOST_DAYS),
        unit="days",
        example="180",
        meaning="... and to Glacier Deep Archive (Glacier bills 90 days at least)",
    )
    expire_after_days: Count = number(
        "expireAfterDays",
        365,
        between=(1, MOST_DAYS),
        unit="days",
        example="730",
        meaning="... and are deleted (Deep Archive bills 180 days at least)",
    )
    intermediate_expire_after_days: Count = number(
        "intermediateExpireAfterDays",
        8,
        between=(8, MOST_DAYS),
        unit="days",
        example="14",
        meaning="Shards and what else is needed only while a run goes (for 7 days at most) are deleted at this age",
    )
    log_retention_days: RetentionDays = setting(
        "logRetentionDays",
        90,
        unit="days",
        allowed=f"one of {', '.join(map(str, LOG_RETENTION_DAYS))}",
        example="30",
        meaning="How long logs and access logs are kept",
    )
    input_buckets: Buckets = setting(
        "inputBuckets",
        (),
        allowed=BUCKETS_ALLOWED,
        example="'genomes:raw/*;archive:2024/*,2025/*'",
        meaning="Other buckets that jobs may read, and which keys; encrypted by S3, not with a KMS key",
    )
    output_buckets: Buckets = setting(
        "outputBuckets",
        (),
        allowed=BUCKETS_ALLOWED,
        example="'shared-results:result/*'",
        meaning="Other buckets that jobs may write to, and which of a workflow's keys; in the same account and Region, "
        "encrypted by S3, with a rule of their own that expires objects tagged retention=intermediate",
    )
    retain_data: Flag = setting(
        "retainData",
        True,
        allowed="true or false",
        example="false",
        meaning="Keep the data bucket, the run table and all access logs at `cdk destroy`; false: delete them",
    )
    existing_bucket: BucketName = setting(
        "existingDataBucket",
        "",
        allowed=BUCKET_NAME_ALLOWED,
        example="production-abc-data-1a2b3c",
        meaning="Take over a retained data bucket; it keeps its lifecycle, policy and access logs",
    )
    existing_table: TableName = setting(
        "existingTable",
        "",
        allowed="a DynamoDB table name (3 to 255 of A-Z, a-z, 0-9, '_', '.' and '-')",
        example="Production-abc-Runs-1A2B3C",
        meaning="Take over a retained run table",
    )

    @property
    def object_ages(self) -> ObjectAges:
        """When objects are archived and when they are deleted."""
        return ObjectAges(
            archived=self.archive_after_days,
            deep_archived=self.deep_archive_after_days,
            expired=self.expire_after_days,
            intermediate_expired=self.intermediate_expire_after_days,
            access_logs_expired=self.log_retention_days,
        )

    @model_validator(mode="after")
    def _ages_in_order(self) -> Self:
        """Raises `SettingsError` when an object would be archived after it has expired."""
        ages = {
            "intermediateExpireAfterDays": self.intermediate_expire_after_days,
            "archiveAfterDays": self.archive_after_days,
            "deepArchiveAfterDays": self.deep_archive_after_days,
            "expireAfterDays": self.expire_after_days,
        }
        for (earlier, earlier_days), (name, days) in pairwise(ages.items()):
            if days <= earlier_days:
                allowed = f"more days than {earlier} ({earlier_days})"
                raise SettingsError(name, found=f"is {days}", allowed=allowed, example=f"-c {name}={earlier_days + 1}")
        return self
