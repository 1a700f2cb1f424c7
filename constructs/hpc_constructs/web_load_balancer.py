"""Who reaches the page, and what the load balancer does with them."""

from aws_cdk import CfnOutput, Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from hpc_constructs.acknowledgments import acknowledge
from hpc_constructs.network import VPC_CIDR
from hpc_constructs.web_choices import WebAccess
from hpc_constructs.web_listeners import answer_http, answer_https

PORT = 8080
HTTP, HTTPS = 80, 443


class WebLoadBalancer(Construct):
    """An Application Load Balancer in two zones, its access logs, its listeners and what they forward to.

    Exposes `target_group` for the service, and `signer_arn`: the load balancer's where it signs people in, else "".
    Costs while idle: about 16 USD a month, and 7 for its public addresses where it has some.

    - Internal unless the deployer names a range of public addresses; the VPC may always reach it.
    - It reaches the tasks at their port and nothing else; to sign people in also user pools, by HTTPS.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc, access: WebAccess, access_logs: s3.Bucket
    ) -> None:
        super().__init__(scope, construct_id)
        subnets = ec2.SubnetType.PUBLIC if access.internet_facing else ec2.SubnetType.PRIVATE_WITH_EGRESS
        group = ec2.SecurityGroup(
            self, "SecurityGroup", vpc=vpc, description="Load balancer of the page", allow_all_outbound=False
        )
        self._balancer = elb.ApplicationLoadBalancer(
            self,
            "LoadBalancer",
            vpc=vpc,
            internet_facing=access.internet_facing,
            vpc_subnets=ec2.SubnetSelection(subnet_type=subnets),
            security_group=group,
            drop_invalid_header_fields=True,
            desync_mitigation_mode=elb.DesyncMitigationMode.DEFENSIVE,
        )
        self._balancer.log_access_logs(access_logs)
        # Deleted before the bucket is emptied, so that it writes nothing into it any more.
        self._balancer.node.add_dependency(access_logs)
        self.target_group = elb.ApplicationTargetGroup(
            self,
            "Targets",
            vpc=vpc,
            target_type=elb.TargetType.IP,
            protocol=elb.ApplicationProtocol.HTTP,
            port=PORT,
            health_check=elb.HealthCheck(
                path="/healthz",
                healthy_http_codes="200",
                interval=Duration.seconds(15),
                timeout=Duration.seconds(5),
                healthy_threshold_count=2,
                unhealthy_threshold_count=3,
            ),
            # What a task that is being replaced is still busy with gets this long; then ECS tells the task to stop, and
            # gunicorn gives what is left its `graceful_timeout`.
            deregistration_delay=Duration.seconds(30),
        )
        for port in (HTTP, HTTPS) if access.certificate_arn else (HTTP,):
            for cidr in (VPC_CIDR, *access.cidrs):
                group.add_ingress_rule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(port), "Who may reach the page")
        answer = answer_https if access.certificate_arn else answer_http
        answer(self._balancer, self.target_group, access)
        self.signer_arn = self._balancer.load_balancer_arn if access.sign_in else ""
        output = CfnOutput(self, "DnsName", value=self._balancer.load_balancer_dns_name)
        output.override_logical_id("PageDnsName")
        if access.everybody:
            acknowledge(group, "EC23", reason="The deployer named 0.0.0.0/0 as a range that may reach the page")
