"""The page: its load balancer, the access logs of that, and its tasks."""

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from hpc_constructs.web_access_logs import WebAccessLogs
from hpc_constructs.web_choices import WebAccess, WebTasks
from hpc_constructs.web_load_balancer import WebLoadBalancer
from hpc_constructs.web_service import WebService


class WebPage(Construct):
    """Everything of the page but its image and the API that it calls.

    Exposes `role`, the tasks', which may do nothing until it is granted something. Costs while idle: about 45 USD a
    month with two tasks.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        repository_name: str,
        access: WebAccess,
        tasks: WebTasks,
        api_endpoint: str,
        retain_access_logs: bool,
        log_retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        logs = WebAccessLogs(self, "AccessLogs", retain=retain_access_logs, retention_days=log_retention_days)
        balancer = WebLoadBalancer(self, "LoadBalancer", vpc=vpc, access=access, access_logs=logs.bucket)
        service = WebService(
            self,
            "Tasks",
            vpc=vpc,
            repository_name=repository_name,
            tasks=tasks,
            target_group=balancer.target_group,
            signer_arn=balancer.signer_arn,
            api_endpoint=api_endpoint,
            log_retention_days=log_retention_days,
        )
        self.role: iam.Role = service.role
