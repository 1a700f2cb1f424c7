"""The stack of data, compute and workflows."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import Stack
from constructs import Construct

from hpc_constructs.batch_compute import BatchCompute
from hpc_constructs.data_bucket import DataBucket
from hpc_constructs.job_images import JobImages
from hpc_constructs.network import Network
from hpc_constructs.notifications import Notifications
from hpc_constructs.object_access import ObjectStores
from hpc_constructs.outputs import declare_outputs
from hpc_constructs.platform import Platform
from hpc_constructs.run_access import RunAccess
from hpc_constructs.run_table import RunTable
from hpc_constructs.run_tracking import RunTracking
from hpc_constructs.web_repository import WebRepository
from hpc_constructs.workflow import Workflow
from hpc_constructs.workflow_checks import pascal_case
from hpc_constructs.workflow_parts import WorkflowFolder
from settings import Settings


class ProductionStack(Stack):
    """Everything a run needs: network, data, images, compute, notifications, and a state machine a workflow.

    Exposes to other stacks: `run_access` for those who submit runs, `vpc`, and `web_repository` of the page's images.
    """

    def __init__(
        self, scope: Construct, name: str, *, settings: Settings, workflows: Sequence[WorkflowFolder], **kwargs: Any
    ) -> None:
        super().__init__(scope, name, **kwargs)
        keep, days = settings.retain_data, settings.log_retention_days
        self.vpc = Network(self, "Network", nat_gateways=settings.nat_gateways, log_retention_days=days).vpc
        data = DataBucket(
            self, "Data", workflows=workflows, ages=settings.object_ages, retain=keep, existing=settings.existing_bucket
        )
        runs = RunTable(self, "Runs", retain=keep, existing=settings.existing_table)
        compute = BatchCompute(
            self,
            "Compute",
            vpc=self.vpc,
            workflows=workflows,
            architectures=settings.architectures,
            spot=settings.spot,
            root_volume_gib=settings.root_volume_gib,
        )
        platform = Platform(
            stores=ObjectStores(data.bucket, settings.input_buckets, settings.output_buckets),
            table=runs.table,
            notifications=Notifications(self, "Notifications", email_address=settings.email_address),
            queues=compute.queues,
            repositories=JobImages(self, "Images", user_name=settings.user_name, workflows=workflows).repositories,
            max_attempts=settings.max_attempts,
            map_max_concurrency=settings.map_max_concurrency,
            group_above=settings.group_above,
            log_retention_days=days,
            root_volume_gib=settings.root_volume_gib,
        )
        machines = [Workflow(self, pascal_case(each.name), folder=each, platform=platform) for each in workflows]
        RunTracking(self, "Tracking", platform=platform, workflows=machines)
        declare_outputs(self, platform=platform, workflows=machines)
        self.web_repository = WebRepository(self, "WebImages", user_name=settings.user_name)
        self.run_access = RunAccess(self, "RunAccess", platform=platform, workflows=machines)
