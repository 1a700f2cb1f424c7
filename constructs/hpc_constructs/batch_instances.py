"""What the EC2 instances of the Batch compute environments are."""

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from hpc_constructs.acknowledgments import acknowledge

# The root device of the ECS-optimized images of Amazon Linux.
ROOT_DEVICE = "/dev/xvda"


class BatchInstances(Construct):
    """Launch template, instance role and security group, the same for every architecture. Costs nothing by itself.

    - Jobs share the host's network, so that a hop limit of 1 does not keep them from the instance's credentials:
      the role therefore may do nothing in S3. Jobs get their own credentials from the ECS agent.
    - Nothing may connect to an instance.
    """

    def __init__(self, scope: Construct, construct_id: str, *, vpc: ec2.IVpc, root_volume_gib: int) -> None:
        super().__init__(scope, construct_id)
        self.security_group = ec2.SecurityGroup(self, "SecurityGroup", vpc=vpc, description="Batch instances")
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonEC2ContainerServiceforEC2Role")
            ],
        )
        acknowledge(
            self.role,
            "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role]",
            reason="AWS keeps this policy in step with what the ECS agent calls; it has no S3 action",
        )
        self.profile = iam.CfnInstanceProfile(self, "Profile", roles=[self.role.role_name])
        self.launch_template = ec2.LaunchTemplate(
            self,
            "LaunchTemplate",
            require_imdsv2=True,
            http_put_response_hop_limit=1,
            block_devices=[
                ec2.BlockDevice(
                    device_name=ROOT_DEVICE,
                    volume=ec2.BlockDeviceVolume.ebs(
                        root_volume_gib, volume_type=ec2.EbsDeviceVolumeType.GP3, encrypted=True
                    ),
                )
            ],
        )
