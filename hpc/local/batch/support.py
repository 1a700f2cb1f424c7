"""Which fields of a request the service knows; every other field that a request uses is refused by its name.

Known fields either have their effect or are recorded only, because the laptop has no containers and no instances: what
a job definition says of `user`, `readonlyRootFilesystem`, `ulimits`, `linuxParameters`, scratch volumes, networks and
platforms, and what a compute environment says of instances, is answered by Describe* and changes nothing here.
"""

from collections.abc import Mapping
from typing import Any

from hpc.local.batch.errors import unsupported


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


KNOWN: Mapping[str, frozenset[str]] = {
    # replaceComputeEnvironment, and updatePolicy at creation, are CloudFormation's.
    "CreateComputeEnvironment": _names(
        "computeEnvironmentName type state computeResources serviceRole tags context ecsSettings "
        "updatePolicy replaceComputeEnvironment"
    ),
    "UpdateComputeEnvironment": _names(
        "computeEnvironment state computeResources serviceRole updatePolicy context ecsSettings "
        "replaceComputeEnvironment"
    ),
    "computeResources": _names(
        "type allocationStrategy minvCpus maxvCpus desiredvCpus instanceTypes imageId subnets securityGroupIds "
        "ec2KeyPair instanceRole tags placementGroup bidPercentage spotIamFleetRole launchTemplate ec2Configuration "
        "scalingPolicy capacityTags updateToLatestImageVersion"
    ),
    "CreateJobQueue": _names(
        "jobQueueName state priority computeEnvironmentOrder jobQueueType tags jobStateTimeLimitActions"
    ),
    "UpdateJobQueue": _names("jobQueue state priority computeEnvironmentOrder jobStateTimeLimitActions"),
    # skipDeregisterOnUpdate and resourceRetentionPolicy are CloudFormation's.
    "RegisterJobDefinition": _names(
        "jobDefinitionName type parameters containerProperties retryStrategy propagateTags timeout tags "
        "platformCapabilities skipDeregisterOnUpdate resourceRetentionPolicy"
    ),
    "containerProperties": _names(
        "image vcpus memory command jobRoleArn executionRoleArn volumes environment mountPoints "
        "readonlyRootFilesystem privileged ulimits user instanceType resourceRequirements linuxParameters "
        "logConfiguration networkConfiguration fargatePlatformConfiguration enableExecuteCommand ephemeralStorage "
        "runtimePlatform repositoryCredentials"
    ),
    "logConfiguration": _names("logDriver options"),
    "linuxParameters": _names("initProcessEnabled sharedMemorySize tmpfs maxSwap swappiness"),
    "volume": _names("name host"),
    "host": _names(""),
    "SubmitJob": _names(
        "jobName jobQueue jobDefinition parameters containerOverrides retryStrategy propagateTags timeout tags "
        "arrayProperties dependsOn"
    ),
    "containerOverrides": _names("vcpus memory command environment resourceRequirements"),
    "arrayProperties": _names("size"),
    "dependsOn": _names("jobId type"),
    "ListJobs": _names("jobQueue arrayJobId jobStatus maxResults nextToken filters"),
}


def check_fields(structure: str, value: Mapping[str, Any] | None, *, path: str = "") -> None:
    """Raises BatchError (ClientException) for the first field of `value` that is used and not known.

    Empty lists and maps use nothing: SDKs send them.
    """
    for name, member in (value or {}).items():
        if name not in KNOWN[structure] and member is not None and member not in ([], {}):
            raise unsupported(f"{path}{name}")


def check_container(container: Mapping[str, Any]) -> None:
    """Raises BatchError for what a container asks of its host that a process on the laptop cannot have."""
    prefix = "containerProperties."
    check_fields("containerProperties", container, path=prefix)
    check_fields("linuxParameters", container.get("linuxParameters"), path=f"{prefix}linuxParameters.")
    log_configuration = container.get("logConfiguration") or {}
    check_fields("logConfiguration", log_configuration, path=f"{prefix}logConfiguration.")
    if log_configuration and log_configuration.get("logDriver") != "awslogs":
        raise unsupported(f"{prefix}logConfiguration.logDriver {log_configuration.get('logDriver')!r}")
    for volume in container.get("volumes") or []:
        check_fields("volume", volume, path=f"{prefix}volumes.")
        check_fields("host", volume.get("host"), path=f"{prefix}volumes.host.")
    if container.get("privileged") in (True, "true"):
        raise unsupported(f"{prefix}privileged")
