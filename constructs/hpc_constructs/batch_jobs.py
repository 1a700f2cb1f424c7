"""Job definitions: what a workflow's Batch jobs run, with which resources and permissions."""

from collections.abc import Mapping

from aws_cdk import Duration, Size, Stack
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import Construct

from hpc_constructs.acknowledgments import acknowledge
from hpc_constructs.log_groups import log_group
from hpc_constructs.object_access import ObjectStores
from hpc_constructs.workflow_checks import pascal_case
from hpc_constructs.workflow_parts import Job, WorkflowFolder

# Batch retries what is no fault of the job: reclaimed or lost hosts, images that cannot be pulled, containers that
# cannot be started. At most 5 conditions; without the last one Batch would retry every other failure too.
# Source: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
ATTEMPTS = 5
EVALUATE_ON_EXIT = (
    (batch.Action.RETRY, {"on_status_reason": "Host EC2*"}),
    (batch.Action.RETRY, {"on_status_reason": "Task failed to start*"}),
    (batch.Action.RETRY, {"on_reason": "CannotPullContainerError*"}),
    (batch.Action.RETRY, {"on_reason": "CannotStartContainerError*"}),
    (batch.Action.EXIT, {"on_reason": "*"}),
)
USER = "10001:10001"  # as in the Dockerfiles; here too, so that no image can run as root
TMP_MIB = 64


class BatchJobs(Construct):
    """One job definition a job of the workflow; the queue decides which processor it runs on.

    Exposes `definitions` by job name. The root file system is read-only; /tmp holds a little, in memory. Old
    revisions stay active, since executions that go on still name them. Costs while idle: stored logs.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        workflow: WorkflowFolder,
        repositories: Mapping[str, ecr.Repository],
        stores: ObjectStores,
        log_retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        name = f"/aws/batch/{Stack.of(self).stack_name}/{workflow.name}"
        self._logs = log_group(self, "Logs", retention_days=log_retention_days, name=name)
        self._stores = stores
        self.definitions = {job.name: self._definition(job, repositories[job.image]) for job in workflow.jobs}

    def _definition(self, job: Job, repository: ecr.Repository) -> batch.EcsJobDefinition:
        part = Construct(self, pascal_case(job.name))
        region = Stack.of(self).region
        container = batch.EcsEc2ContainerDefinition(
            part,
            "Container",
            image=ecs.ContainerImage.from_ecr_repository(repository, "latest"),
            command=[*job.command],
            cpu=job.vcpus,
            memory=Size.mebibytes(job.memory_mib),
            job_role=self._job_role(part, job),
            execution_role=self._execution_role(part),
            # ECS tells a container on EC2 no Region.
            environment={
                "IMAGE": repository.repository_uri_for_tag("latest"),
                "AWS_REGION": region,
                "AWS_DEFAULT_REGION": region,
            },
            # Without a prefix of ours, Batch names streams `<job definition>/default/<task>`.
            logging=ecs.GenericLogDriver(
                log_driver="awslogs",
                options={"awslogs-group": self._logs.log_group_name, "awslogs-region": region},
            ),
            linux_parameters=self._tmp(part),
            readonly_root_filesystem=True,
            privileged=False,
            user=USER,
        )
        return batch.EcsJobDefinition(
            part,
            "Definition",
            container=container,
            timeout=Duration.seconds(job.timeout_s),
            retry_attempts=ATTEMPTS,
            retry_strategies=[
                batch.RetryStrategy.of(action, batch.Reason.custom(**reason)) for action, reason in EVALUATE_ON_EXIT
            ],
            skip_deregister_on_update=True,
            propagate_tags=True,
        )

    def _job_role(self, part: Construct, job: Job) -> iam.Role:
        """What the job's code may do: touch the objects that it declares."""
        role = iam.Role(part, "Role", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
        self._stores.grant(role, job.accesses)
        return role

    def _execution_role(self, part: Construct) -> iam.Role:
        """What ECS may do to start the job: write its log, and (granted by the image) pull from its repository."""
        role = iam.Role(part, "ExecutionRole", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
        self._logs.grant_write(role)
        acknowledge(role, "IAM5[Resource::*]", reason="ecr:GetAuthorizationToken cannot be limited to a repository")
        return role

    def _tmp(self, part: Construct) -> batch.LinuxParameters:
        parameters = batch.LinuxParameters(part, "LinuxParameters")
        options = [batch.TmpfsMountOption.NOEXEC, batch.TmpfsMountOption.NOSUID, batch.TmpfsMountOption.NODEV]
        parameters.add_tmpfs(
            batch.Tmpfs(container_path="/tmp", size=Size.mebibytes(TMP_MIB), mount_options=options)  # noqa: S108
        )
        return parameters
