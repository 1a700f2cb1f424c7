"""What all workflows of a deployment share."""

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_ecr as ecr

from hpc_constructs.batch_queues import Queues
from hpc_constructs.notifications import Notifications
from hpc_constructs.object_access import ObjectStores


@dataclass(frozen=True)
class Platform:
    """Queues by architecture, image repositories by name, and what else workflows are wired to."""

    stores: ObjectStores
    table: dynamodb.ITable
    notifications: Notifications
    queues: Mapping[str, Queues]
    repositories: Mapping[str, ecr.Repository]
    max_attempts: int
    map_max_concurrency: int
    group_above: int
    log_retention_days: int
    root_volume_gib: int
