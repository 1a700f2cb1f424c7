"""CloudFormation: the resource types that ministack refuses, and the lifecycle rules that it drops."""

from __future__ import annotations

from typing import Any

import botocore.serialize
import botocore.session
from ministack.services import s3
from ministack.services.cloudformation import provisioners

from hpc.local.batch import BatchService
from hpc.local.cloudformation_types import batch_types, recorded_types
from hpc.local.hooks.replacing import replace
from hpc.local.spelling import lifecycle_rule


def install(service: BatchService) -> None:
    """Batch's types go to our service, others are recorded; lifecycle rules are kept."""
    handlers = provisioners._RESOURCE_HANDLERS
    handlers.update(batch_types(service, provisioners._physical_name))
    for resource_type, handler in recorded_types().items():
        handlers.setdefault(resource_type, handler)
    _keep_lifecycle_rules()


def _keep_lifecycle_rules() -> None:
    """`LifecycleConfiguration` of a bucket is stored, not dropped (nothing expires on a laptop: it is recorded)."""
    model = botocore.session.get_session().get_service_model("s3")
    operation = model.operation_model("PutBucketLifecycleConfiguration")
    serializer = botocore.serialize.create_serializer("rest-xml")

    def to_xml(configuration: dict[str, Any]) -> bytes:
        rules = [lifecycle_rule(rule) for rule in configuration.get("Rules", [])]
        request = {"Bucket": "bucket", "LifecycleConfiguration": {"Rules": rules}}
        body: bytes = serializer.serialize_to_request(request, operation)["body"]
        return body

    entry = ("LifecycleConfiguration", to_xml, s3._put_bucket_lifecycle, s3._delete_bucket_lifecycle)
    replace(provisioners, "_S3_BUCKET_CONFIGURATIONS", (*provisioners._S3_BUCKET_CONFIGURATIONS, entry))
