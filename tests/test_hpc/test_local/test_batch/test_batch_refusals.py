"""What AWS does and the laptop does not is refused by its name, before anything changes."""

import pytest
from botocore.exceptions import ClientError

YET = "is not supported by the laptop platform yet"
CONSUMABLE = {"consumableResourceList": [{"consumableResource": "licence", "quantity": 1}]}
POD = {"podProperties": {"containers": [{"image": "x"}]}}


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("nodeOverrides", {"numNodes": 2}, "nodeOverrides"),
        ("shareIdentifier", "a", "shareIdentifier"),
        ("schedulingPriorityOverride", 0, "schedulingPriorityOverride"),
        ("eksPropertiesOverride", POD, "eksPropertiesOverride"),
        ("ecsPropertiesOverride", {"taskProperties": [{"containers": []}]}, "ecsPropertiesOverride"),
        ("consumableResourcePropertiesOverride", CONSUMABLE, "consumableResourcePropertiesOverride"),
        ("containerOverrides", {"instanceType": "r6g.large"}, "containerOverrides.instanceType"),
        (
            "containerOverrides",
            {"resourceRequirements": [{"type": "GPU", "value": "1"}]},
            "resourceRequirements type GPU",
        ),
    ],
)
def test_submit_job(batch, field, value, named):
    definition = batch.define("work", "true")
    with pytest.raises(ClientError, match=f"{named} {YET}") as refusal:
        batch.submit(definition, **{field: value})
    assert refusal.value.response["Error"]["Code"] == "ClientException"
    names = [{"name": "JOB_NAME", "values": ["*"]}]
    assert batch.client.list_jobs(jobQueue="queue", filters=names)["jobSummaryList"] == []


def test_empty_fields_use_nothing(batch):
    batch.submit(batch.define("work", "true"), dependsOn=[], arrayProperties={})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"type": "multinode", "nodeProperties": {"numNodes": 1, "mainNode": 0, "nodeRangeProperties": []}}, "node"),
        ({"type": "multinode"}, "type multinode"),
        ({"eksProperties": POD}, "eksProperties"),
        ({"ecsProperties": {"taskProperties": []}}, "ecsProperties"),
        ({"consumableResourceProperties": CONSUMABLE}, "consumableResourceProperties"),
        ({"schedulingPriority": 1}, "schedulingPriority"),
        ({"platformCapabilities": ["MANAGED_INSTANCES"]}, "platformCapabilities MANAGED_INSTANCES"),
    ],
)
def test_register_job_definition(batch, change, named):
    request = {"jobDefinitionName": "work", "type": "container", **change}
    with pytest.raises(ClientError, match=f"{named}.* {YET}"):
        batch.client.register_job_definition(**request)


@pytest.mark.parametrize(
    ("container", "named"),
    [
        ({"secrets": [{"name": "A", "valueFrom": "arn:x"}]}, "containerProperties.secrets"),
        ({"privileged": True}, "containerProperties.privileged"),
        ({"linuxParameters": {"devices": [{"hostPath": "/dev/fuse"}]}}, "containerProperties.linuxParameters.devices"),
        (
            {"volumes": [{"name": "data", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}]},
            "containerProperties.volumes.efsVolumeConfiguration",
        ),
        (
            {"volumes": [{"name": "data", "host": {"sourcePath": "/data"}}]},
            "containerProperties.volumes.host.sourcePath",
        ),
        ({"logConfiguration": {"logDriver": "splunk"}}, "containerProperties.logConfiguration.logDriver 'splunk'"),
        ({"resourceRequirements": [{"type": "GPU", "value": "1"}]}, "resourceRequirements type GPU"),
    ],
)
def test_containers(batch, container, named):
    with pytest.raises(ClientError, match=f"{named} {YET}"):
        batch.define("work", "true", container=container)


def test_what_changes_nothing_for_a_process_is_recorded(batch):
    container = {
        "user": "1000",
        "readonlyRootFilesystem": True,
        "privileged": False,
        "secrets": [],
        "linuxParameters": {"initProcessEnabled": True, "tmpfs": [{"containerPath": "/tmp", "size": 64}]},
        "volumes": [{"name": "scratch", "host": {}}],
        "mountPoints": [{"containerPath": "/scratch", "sourceVolume": "scratch"}],
        "executionRoleArn": "arn:aws:iam::123456789012:role/execution",
    }
    batch.define("work", "true", container=container)
    [found] = batch.client.describe_job_definitions()["jobDefinitions"]
    assert container.items() <= found["containerProperties"].items()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"type": "UNMANAGED"}, "type UNMANAGED"),
        ({"eksConfiguration": {"eksClusterArn": "arn:x", "kubernetesNamespace": "x"}}, "eksConfiguration"),
        ({"unmanagedvCpus": 4}, "unmanagedvCpus"),
    ],
)
def test_compute_environments(batch, change, named):
    resources = {"type": "EC2", "maxvCpus": 4, "subnets": []}
    request = {"computeEnvironmentName": "other", "type": "MANAGED", "computeResources": resources, **change}
    with pytest.raises(ClientError, match=f"{named} {YET}"):
        batch.client.create_compute_environment(**request)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"schedulingPolicyArn": "arn:x"}, "schedulingPolicyArn"),
        ({"serviceEnvironmentOrder": [{"order": 1, "serviceEnvironment": "x"}]}, "serviceEnvironmentOrder"),
        ({"jobQueueType": "SAGEMAKER_TRAINING"}, "jobQueueType SAGEMAKER_TRAINING"),
    ],
)
def test_job_queues(batch, change, named):
    order = [{"order": 1, "computeEnvironment": "queue-environment"}]
    request = {"jobQueueName": "other", "priority": 1, "computeEnvironmentOrder": order, **change}
    with pytest.raises(ClientError, match=f"{named} {YET}"):
        batch.client.create_job_queue(**request)


def test_other_listings_and_other_actions(batch):
    with pytest.raises(ClientError, match=f"multiNodeJobId {YET}"):
        batch.client.list_jobs(multiNodeJobId="x")
    with pytest.raises(ClientError, match=f"SHARE_IDENTIFIER {YET}"):
        batch.client.list_jobs(jobQueue="queue", filters=[{"name": "SHARE_IDENTIFIER", "values": ["a"]}])
    with pytest.raises(ClientError, match=f"submitservicejob {YET}"):
        batch.client.submit_service_job(
            jobName="x", jobQueue="queue", serviceRequestPayload="{}", serviceJobType="SAGEMAKER_TRAINING"
        )


def test_a_job_without_a_command_is_refused(batch):
    definition = batch.define("work")
    with pytest.raises(ClientError, match="The job has no command"):
        batch.submit(definition)
