"""The container of the page, and its session key."""

from collections.abc import Mapping

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from hpc_constructs.acknowledgments import acknowledge
from hpc_constructs.log_groups import log_group
from hpc_constructs.web_load_balancer import PORT

CPU_UNITS = 512
MEMORY_MIB = 1024
# The image's own; said here as well, so that no image can be root.
USER = "10001:10001"
TEMPORARY = "/tmp"  # noqa: S108 -- a path in the container, a volume of its own
_ARCHITECTURES = {"arm64": ecs.CpuArchitecture.ARM64, "x86_64": ecs.CpuArchitecture.X86_64}


class WebTask(Construct):
    """A task definition of one container: gunicorn, not root, no capabilities, a root file system that is read only.

    Exposes `definition`. All tasks share the session key, which Secrets Manager makes and only the agent that starts
    them may read. `/tmp` is a volume, 20 GiB of the task's own, where uploads wait. Fargate makes volumes root's, with
    the mode 0755, unless the image declares the same path: the Dockerfile wants `VOLUME ["/tmp"]`.
    Source: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/bind-mounts.html
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        image: ecs.ContainerImage,
        architecture: str,
        environment: Mapping[str, str],
        log_retention_days: int,
    ) -> None:
        super().__init__(scope, construct_id)
        session_key = secretsmanager.Secret(
            self,
            "SessionKey",
            description="Signs the session cookies of the page",
            generate_secret_string=secretsmanager.SecretStringGenerator(password_length=64, exclude_punctuation=True),
            removal_policy=RemovalPolicy.DESTROY,
        )
        logs = log_group(self, "Logs", retention_days=log_retention_days)
        self.definition = ecs.FargateTaskDefinition(
            self,
            "Definition",
            cpu=CPU_UNITS,
            memory_limit_mib=MEMORY_MIB,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=_ARCHITECTURES[architecture],
                operating_system_family=ecs.OperatingSystemFamily.LINUX,
            ),
        )
        linux = ecs.LinuxParameters(self, "Linux", init_process_enabled=True)
        linux.drop_capabilities(ecs.Capability.ALL)
        container = self.definition.add_container(
            "Page",
            image=image,
            command=["gunicorn"],
            user=USER,
            readonly_root_filesystem=True,
            linux_parameters=linux,
            port_mappings=[ecs.PortMapping(container_port=PORT)],
            environment={**environment, "PORT": str(PORT)},
            secrets={"SESSION_KEY": ecs.Secret.from_secrets_manager(session_key)},
            # More than gunicorn waits for requests to finish.
            stop_timeout=Duration.seconds(35),
            logging=ecs.LogDrivers.aws_logs(stream_prefix="page", log_group=logs),
        )
        self.definition.add_volume(name="tmp")
        container.add_mount_points(ecs.MountPoint(source_volume="tmp", container_path=TEMPORARY, read_only=False))
        acknowledge(
            session_key,
            "SMG4",
            reason="A new key signs everybody out and wants new tasks; it signs cookies and opens nothing",
        )
        acknowledge(
            self.definition, "ECS2", reason="No secret is among the variables: addresses, a Region, an ARN and numbers"
        )
        acknowledge(
            self.definition.obtain_execution_role(),
            "IAM5[Resource::*]",
            reason="ecr:GetAuthorizationToken cannot be limited to a repository",
        )
