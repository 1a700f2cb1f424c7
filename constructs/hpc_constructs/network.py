"""The network that Batch instances run in."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from hpc_constructs.log_groups import log_group

ZONES = 2
# A literal, so that rules of other stacks can name it and checks can read them.
VPC_CIDR = "10.0.0.0/16"


class Network(Construct):
    """A VPC in two zones with public and private subnets, gateway endpoints for S3 and DynamoDB, and flow logs.

    Costs while idle: the NAT gateways (about 33 USD a month each, and what passes through them; S3 and DynamoDB do
    not). Zones stay tokens, so that synthesis looks nothing up.
    """

    def __init__(self, scope: Construct, construct_id: str, *, nat_gateways: int, log_retention_days: int) -> None:
        super().__init__(scope, construct_id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(VPC_CIDR),
            max_azs=ZONES,
            nat_gateways=nat_gateways,
            # Emptying it takes a custom resource with a function and a role; nothing here uses the default group.
            restrict_default_security_group=False,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=24, map_public_ip_on_launch=False
                ),
                # 4,091 addresses a zone: one for each instance of a large run.
                ec2.SubnetConfiguration(name="Private", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, cidr_mask=20),
            ],
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
                "DynamoDb": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
            },
        )
        group = log_group(self, "FlowLogs", retention_days=log_retention_days)
        self.vpc.add_flow_log("FlowLog", destination=ec2.FlowLogDestination.to_cloud_watch_logs(group))
