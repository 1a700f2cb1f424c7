"""Where Batch jobs run: managed EC2 compute environments and the queues in front of them."""

from collections.abc import Iterable

from aws_cdk import Stack
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from hpc_constructs.batch_capacity import Architecture, split_vcpus
from hpc_constructs.batch_instances import BatchInstances
from hpc_constructs.batch_queues import Queues, job_queue
from hpc_constructs.workflow_parts import WorkflowFolder, largest_job_vcpus

FIRST_TRY_CAPACITY_WAIT_S = 1_800
NEXT_TRIES_CAPACITY_WAIT_S = 14_400
# How long jobs may go on when an update replaces their instances; the longest that Batch allows.
# Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_UpdatePolicy.html
UPDATE_TIMEOUT_MINUTES = 360


class BatchCompute(Construct):
    """For each architecture a Spot and an on-demand environment, a queue [Spot, on-demand] and a queue [on-demand].

    Exposes `queues` by architecture. Costs nothing while idle: environments scale to 0 vCPUs. Without Spot both
    queues have the on-demand environment only, so that definitions need not know.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        architectures: Iterable[Architecture],
        workflows: Iterable[WorkflowFolder],
        spot: bool,
        root_volume_gib: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self._subnets = vpc.select_subnets(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS).subnet_ids
        self._instances = BatchInstances(self, "Instances", vpc=vpc, root_volume_gib=root_volume_gib)
        largest_job = largest_job_vcpus(workflows)
        self.queues: dict[str, Queues] = {}
        for architecture in architectures:
            name, types = architecture.name.capitalize(), architecture.instance_types
            spot_vcpus, on_demand_vcpus = split_vcpus(architecture.max_vcpus, largest_job=largest_job, spot=spot)
            on_demand = self._environment(f"{name}OnDemand", "EC2", types, on_demand_vcpus)
            first = [self._environment(f"{name}Spot", "SPOT", types, spot_vcpus), on_demand] if spot else [on_demand]
            self.queues[architecture.name] = Queues(
                first_try=job_queue(self, f"{name}FirstTry", first, capacity_wait_s=FIRST_TRY_CAPACITY_WAIT_S),
                next_tries=job_queue(self, f"{name}NextTries", [on_demand], capacity_wait_s=NEXT_TRIES_CAPACITY_WAIT_S),
            )

    def _environment(
        self, construct_id: str, kind: str, instance_types: tuple[str, ...], max_vcpus: int
    ) -> batch.CfnComputeEnvironment:
        """A plain CloudFormation resource: the CDK's construct gives a launch template no version."""
        instances = self._instances
        environment = batch.CfnComputeEnvironment(
            self,
            construct_id,
            type="MANAGED",
            # Updated in place by the service-linked role; a name or a replacement would end what runs in it.
            replace_compute_environment=False,
            update_policy=batch.CfnComputeEnvironment.UpdatePolicyProperty(
                terminate_jobs_on_update=False, job_execution_timeout_minutes=UPDATE_TIMEOUT_MINUTES
            ),
            compute_resources=batch.CfnComputeEnvironment.ComputeResourcesProperty(
                type=kind,
                allocation_strategy="SPOT_PRICE_CAPACITY_OPTIMIZED" if kind == "SPOT" else "BEST_FIT_PROGRESSIVE",
                # An update of the environment also takes the newest AMI with its security fixes.
                update_to_latest_image_version=True,
                minv_cpus=0,
                maxv_cpus=max_vcpus,
                # A family stands for all of its sizes.
                instance_types=[*instance_types],
                ec2_configuration=[batch.CfnComputeEnvironment.Ec2ConfigurationObjectProperty(image_type="ECS_AL2023")],
                instance_role=instances.profile.attr_arn,
                # By number: `$Latest` would not tell CloudFormation that the template has changed.
                launch_template=batch.CfnComputeEnvironment.LaunchTemplateSpecificationProperty(
                    launch_template_id=instances.launch_template.launch_template_id,
                    version=instances.launch_template.latest_version_number,
                ),
                security_group_ids=[instances.security_group.security_group_id],
                subnets=self._subnets,
                tags={"Name": f"{Stack.of(self).stack_name}-{construct_id}"},
            ),
        )
        # Batch cannot delete an environment whose instance role is gone.
        environment.node.add_dependency(instances.role, instances.profile)
        return environment
