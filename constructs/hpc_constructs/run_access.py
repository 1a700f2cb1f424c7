"""What somebody may do who submits runs, looks at them, ends and continues them, and fetches their results."""

from collections.abc import Iterable, Iterator, Sequence

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from hpc_constructs import run_arns
from hpc_constructs.acknowledgments import acknowledge, acknowledge_wildcards
from hpc_constructs.key_patterns import ObjectAccess
from hpc_constructs.platform import Platform
from hpc_constructs.run_table import RUNS_BY_TIME
from hpc_constructs.workflow import Workflow

_COLON = ArnFormat.COLON_RESOURCE_NAME
# The quotas that `hpc.checks.quotas` asks for: vCPUs of on-demand and of Spot instances.
_VCPUS = ("L-1216C47A", "L-34B43A08")


class RunAccess(Construct):
    """Managed policies for roles outside of the stack, the API's first; made here, where all names are known.

    Exposes `policies`, which a role needs all of. There are three because IAM takes 6,144 characters for each: enough
    for six workflows like the one that there is. Costs nothing.
    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, platform: Platform, workflows: Sequence[Workflow]
    ) -> None:
        super().__init__(scope, construct_id)
        runs = iam.ManagedPolicy(self, "Runs", description="Start, watch and end executions of runs")
        jobs = iam.ManagedPolicy(self, "Jobs", description="Watch and end jobs of runs, and read their logs")
        objects = iam.ManagedPolicy(self, "Objects", description="Upload inputs and read results of runs")
        self.policies = (runs, jobs, objects)
        self._allow_table_and_stack(runs, platform)
        self._allow_executions(runs, workflows)
        self._allow_jobs(jobs, platform, workflows)
        self._allow_objects(objects, platform, workflows)

    def _arn(self, service: str, resource: str, name: str, arn_format: ArnFormat | None = None) -> str:
        return Stack.of(self).format_arn(service=service, resource=resource, resource_name=name, arn_format=arn_format)

    def _allow_table_and_stack(self, policy: iam.ManagedPolicy, platform: Platform) -> None:
        table = platform.table.table_arn
        _allow(policy, ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"], [table])
        _allow(policy, ["dynamodb:Query"], [f"{table}/index/{RUNS_BY_TIME}"])
        _allow(
            policy,
            ["cloudformation:DescribeStacks"],
            [self._arn("cloudformation", "stack", f"{Stack.of(self).stack_name}/*")],
            reason="The '*' is the unique id that CloudFormation gives a stack of this name",
        )

    def _allow_executions(self, policy: iam.ManagedPolicy, workflows: Sequence[Workflow]) -> None:
        machines = [workflow.machine for workflow in workflows]
        arns = [machine.state_machine_arn for machine in machines]
        _allow(policy, ["states:StartExecution", "states:DescribeStateMachine"], arns)
        _allow(
            policy,
            ["states:DescribeExecution", "states:StopExecution", "states:ListMapRuns"],
            [run_arns.executions(machine) for machine in machines],
            reason=run_arns.EXECUTIONS_REASON,
        )
        _allow(
            policy,
            ["states:DescribeMapRun"],
            [run_arns.map_runs(machine) for machine in machines],
            reason="Step Functions gives Map runs their ids; the state machine that they are of is named",
        )

    def _allow_jobs(self, policy: iam.ManagedPolicy, platform: Platform, workflows: Sequence[Workflow]) -> None:
        described = ("Jobs", "JobDefinitions", "JobQueues", "ComputeEnvironments")
        of_ec2 = ("InstanceTypes", "SpotPriceHistory", "Subnets", "RouteTables", "VpcEndpoints")
        actions = ["batch:ListJobs", *(f"batch:Describe{each}" for each in described)]
        actions += [*(f"ec2:Describe{each}" for each in of_ec2), "servicequotas:GetAWSDefaultServiceQuota"]
        _allow(policy, actions, ["*"])
        acknowledge(
            policy,
            "IAM5[Resource::*]",
            reason="These actions, which list and describe, cannot be limited to a resource",
        )
        _allow(policy, ["servicequotas:GetServiceQuota"], [self._arn("servicequotas", "ec2", code) for code in _VCPUS])
        _allow(policy, ["batch:TerminateJob"], [run_arns.batch_jobs(self)], reason=run_arns.JOBS_REASON)
        repositories = platform.repositories.values()
        # Manifests name the processors of images; of an image for one processor only its configuration, a layer, does.
        of_images = ["ecr:DescribeImages", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        _allow(policy, of_images, [repository.repository_arn for repository in repositories])
        groups = [f"/aws/batch/{Stack.of(self).stack_name}/{workflow.folder.name}" for workflow in workflows]
        _allow(
            policy,
            ["logs:GetLogEvents"],
            # AWS asks for the stream, the emulator for its group.
            [
                self._arn("logs", "log-group", f"{each}{part}", _COLON)
                for each in groups
                for part in ("", ":log-stream:*")
            ],
            reason="Batch names the log streams of jobs; the group of the workflow is named",
        )

    def _allow_objects(self, policy: iam.ManagedPolicy, platform: Platform, workflows: Sequence[Workflow]) -> None:
        stores = platform.stores
        stores.grant(policy, _read(workflows))
        others = sorted({other.bucket for other in (*stores.inputs, *stores.outputs)})
        arns = [Stack.of(self).format_arn(service="s3", region="", account="", resource=name) for name in others]
        # Whole buckets: without it S3 says of a missing object that access is denied. Names of keys are all it shows.
        _allow(policy, ["s3:ListBucket"], [stores.data.bucket_arn, *arns])
        described = [workflow.folder.described for workflow in workflows]
        prefixes = sorted({str(each["upload"]["prefix"]) for each in described if "upload" in each})
        if prefixes:
            _allow(
                policy,
                ["s3:PutObject"],
                [stores.data.arn_for_objects(f"{prefix}*") for prefix in prefixes],
                reason="Project and file are known only when somebody uploads; the prefix of uploads is named",
            )


def _allow(policy: iam.ManagedPolicy, actions: Iterable[str], resources: Iterable[str], *, reason: str = "") -> None:
    """Adds a statement; `reason` is why its resources have a `*`."""
    found = [*resources]
    policy.add_statements(iam.PolicyStatement(actions=[*actions], resources=found))
    if reason:
        acknowledge_wildcards(policy, found, reason=reason)


def _read(workflows: Sequence[Workflow]) -> Iterator[ObjectAccess]:
    """Inputs as far as jobs may read them; records, lists of shards and outputs of runs."""
    for workflow in workflows:
        yield from (
            ObjectAccess(bucket="input", keys=access.keys, gets=True)
            for access in workflow.folder.accesses
            if access.bucket == "input" and access.gets
        )
        yield ObjectAccess(bucket="output", keys="result/*/records/*", gets=True)
        yield ObjectAccess(bucket="output", keys="result/*/Job_Map/*", gets=True)
        for output in workflow.folder.described["outputs"]:
            keys = str(output["key"]).replace("{ProjectNo}", "*").replace("{file}", "*")
            yield ObjectAccess(bucket="output", keys=keys, gets=True)
