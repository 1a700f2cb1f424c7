"""Where attempts ran: instance type, zone and market of their container instances, asked while these are known.

ECS tells the EC2 instance of a container instance, EC2 the rest; both forget an instance an hour after its end. Nobody
tells them on a laptop, whose events name no container instance.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from job_change import JobChange
from warm_clients import client

INSTANCE_PREFIX = "instance:"
# Source: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeContainerInstances.html
DESCRIBED_AT_ONCE = 100
# arn:aws:ecs:<region>:<account>:container-instance/<cluster>/<id>
_ARN = re.compile(r"arn:[^:]+:ecs:[^:]*:[^:]*:container-instance/(?P<cluster>[^/]+)/[^/]+")

Place = dict[str, str]


def find_places(changes: Iterable[JobChange]) -> dict[str, Place]:
    """What is known of each container instance's ARN. An answer that does not come leaves them unknown, not the row."""
    arns = sorted({arn for change in changes for arn in change.containers})
    places: dict[str, Place] = {}
    try:
        for cluster, some in _by_cluster(arns):
            places |= _describe(cluster, some)
    except (ClientError, BotoCoreError) as error:
        print(f"where jobs run could not be found out: {error}")
    return places


def _by_cluster(arns: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    clusters: dict[str, list[str]] = {}
    for arn in arns:
        if found := _ARN.fullmatch(arn):
            clusters.setdefault(found["cluster"], []).append(arn)
    for cluster, members in clusters.items():
        for start in range(0, len(members), DESCRIBED_AT_ONCE):
            yield cluster, members[start : start + DESCRIBED_AT_ONCE]


def _describe(cluster: str, arns: list[str]) -> dict[str, Place]:
    described = client("ecs").describe_container_instances(cluster=cluster, containerInstances=arns)
    by_instance = {
        found["ec2InstanceId"]: found["containerInstanceArn"]
        for found in described["containerInstances"]
        if found.get("ec2InstanceId")
    }
    if not by_instance:
        return {}
    # A filter leaves out what EC2 has forgotten; the parameter InstanceIds would refuse the whole call.
    pages = client("ec2").get_paginator("describe_instances")
    answers = pages.paginate(Filters=[{"Name": "instance-id", "Values": sorted(by_instance)}])
    instances = (each for page in answers for reservation in page["Reservations"] for each in reservation["Instances"])
    return {by_instance[each["InstanceId"]]: _place(each) for each in instances}


def _place(instance: dict[str, Any]) -> Place:
    """`market` is `spot` or `on-demand`: EC2 names a lifecycle for other markets than the latter only."""
    return {
        "instance_id": instance["InstanceId"],
        "instance_type": instance["InstanceType"],
        "zone": instance["Placement"]["AvailabilityZone"],
        "market": instance.get("InstanceLifecycle", "on-demand"),
    }
