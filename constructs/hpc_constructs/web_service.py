"""The page's tasks: how many run, as what, and what they may do and reach."""

from typing import cast

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_iam as iam
from constructs import Construct

from hpc_constructs.acknowledgments import acknowledge
from hpc_constructs.web_choices import WebTasks
from hpc_constructs.web_task import WebTask

CPU_TARGET_PERCENT = 60
# A minute. An open page of a run that goes on asks 20 times.
REQUESTS_PER_TARGET = 600


class WebService(Construct):
    """A Fargate service in the private subnets, spread over zones, behind a load balancer's target group.

    Exposes `role`, the tasks'. Costs while idle: about 14 USD a month for each task, and 0.40 for the session key. A
    deployment whose tasks do not become healthy is rolled back; one that changes the service starts from the least
    number of tasks again, and scaling adds to them.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        repository_name: str,
        tasks: WebTasks,
        target_group: elb.ApplicationTargetGroup,
        signer_arn: str,
        api_endpoint: str,
        log_retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        # By its name: CloudFormation cannot split the ARN that another stack gives out.
        repository = ecr.Repository.from_repository_name(self, "Images", repository_name)
        task = WebTask(
            self,
            "Task",
            image=ecs.ContainerImage.from_ecr_repository(repository, tasks.image),
            architecture=tasks.architecture,
            environment={
                "API_ENDPOINT": api_endpoint,
                "AWS_REGION": Stack.of(self).region,
                "TRUSTED_PROXIES": "1",
                "SIGN_IN_SIGNER": signer_arn,
            },
            log_retention_days=log_retention_days,
        )
        self.role = cast(iam.Role, task.definition.task_role)
        cluster = ecs.Cluster(self, "Cluster", vpc=vpc, container_insights_v2=ecs.ContainerInsights.DISABLED)
        service = ecs.FargateService(
            self,
            "Service",
            cluster=cluster,
            task_definition=task.definition,
            desired_count=tasks.least,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            security_groups=[self._security_group(vpc)],
            availability_zone_rebalancing=ecs.AvailabilityZoneRebalancing.ENABLED,
            min_healthy_percent=100,
            max_healthy_percent=200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            health_check_grace_period=Duration.seconds(60),
        )
        # Without its policies the first tasks could neither fetch the image nor read the key.
        service.node.add_dependency(task.definition.obtain_execution_role())
        service.attach_to_application_target_group(target_group)
        scaling = service.auto_scale_task_count(
            min_capacity=tasks.least, max_capacity=tasks.most if tasks.least else tasks.least
        )
        scaling.scale_on_cpu_utilization("Cpu", target_utilization_percent=CPU_TARGET_PERCENT)
        scaling.scale_on_request_count("Requests", requests_per_target=REQUESTS_PER_TARGET, target_group=target_group)
        for name, value in {"PageCluster": cluster.cluster_name, "PageService": service.service_name}.items():
            CfnOutput(self, name, value=value).override_logical_id(name)
        acknowledge(
            cluster,
            "ECS4",
            reason="ECS measures the service's CPU and memory, and the load balancer its requests, without it",
        )

    def _security_group(self, vpc: ec2.IVpc) -> ec2.SecurityGroup:
        """HTTPS out: the API, ECR, Secrets Manager and CloudWatch have no fixed addresses.

        Names are looked up, and the role's credentials fetched, past security groups.
        Source: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html
        """
        group = ec2.SecurityGroup(
            self, "SecurityGroup", vpc=vpc, description="Tasks of the page", allow_all_outbound=False
        )
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "The API, and AWS's own services")
        return group
