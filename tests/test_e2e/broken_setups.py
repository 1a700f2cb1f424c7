"""Set-ups of the laptop platform in which jobs wait, made through AWS's own API and taken back afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.test_e2e.conftest import Platform, wait_until

OCI = "application/vnd.oci.image.index.v1+json"
# Batch has no instance for the split, for ever.
STUCK = {"job_name": "*-String_Split-0", "action": "stuck_runnable"}


@contextmanager
def no_environment_enabled(platform: Platform) -> Iterator[None]:
    batch, names = platform.client("batch"), environments(platform, "Graviton")
    try:
        for name in names:
            batch.update_compute_environment(computeEnvironment=name, state="DISABLED")
        yield
    finally:
        for name in names:
            batch.update_compute_environment(computeEnvironment=name, state="ENABLED")


@contextmanager
def larger_than_any_environment(platform: Platform) -> Iterator[None]:
    with changed_definition(platform, "string_merge", resourceRequirements=[vcpus("999"), memory("2048")]):
        yield


@contextmanager
def image_missing(platform: Platform) -> Iterator[None]:
    image = "000000000000.dkr.ecr.us-east-1.amazonaws.com/batch_local/never_pushed:latest"
    with changed_definition(platform, "string_repeat", image=image):
        yield


@contextmanager
def image_for_another_processor(platform: Platform) -> Iterator[None]:
    """An index as buildx pushes it for one processor, with its attestation."""
    ecr, name = platform.client("ecr"), "batch_local/string_split"
    manifests = [manifest(1, "amd64", "linux"), manifest(2, "unknown", "unknown")]
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI, "manifests": manifests})
    put = ecr.put_image(repositoryName=name, imageManifest=index, imageManifestMediaType=OCI, imageTag="latest")
    try:
        yield
    finally:
        ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageDigest": put["image"]["imageId"]["imageDigest"]}])


@contextmanager
def subnet_without_a_way_out(platform: Platform) -> Iterator[None]:
    ec2, everywhere = platform.client("ec2"), "0.0.0.0/0"
    described = platform.client("batch").describe_compute_environments()["computeEnvironments"]
    subnet = described[0]["computeResources"]["subnets"][0]
    of_subnet = [{"Name": "association.subnet-id", "Values": [subnet]}]
    (table,) = ec2.describe_route_tables(Filters=of_subnet)["RouteTables"]
    (route,) = [each for each in table["Routes"] if each["DestinationCidrBlock"] == everywhere]
    where = {"RouteTableId": table["RouteTableId"], "DestinationCidrBlock": everywhere}
    ec2.delete_route(**where)
    try:
        yield
    finally:
        ec2.create_route(**where, NatGatewayId=route["NatGatewayId"])


@contextmanager
def no_spot_capacity(platform: Platform, file: Path) -> Iterator[str]:
    """A run whose split waits as on AWS when there is no instance to have; gives its id."""
    with run_of(platform, file, "NoCapacity", STUCK) as run_id:
        wait_until(lambda: any(job.get("statusReason") for job in platform.jobs(run_id)))
        yield run_id


@contextmanager
def queue_full(platform: Platform, file: Path) -> Iterator[str]:
    """A run whose shards wait for one that hangs, in a queue with one environment of one vCPU; gives its id."""
    hangs = {"job_name": "*-String_Repeat-0", "action": "hang"}
    batch, (spot, on_demand) = platform.client("batch"), environments(platform, "Graviton")
    queue = platform.output("JobQueueArns")["graviton"]["first_try"]
    (described,) = batch.describe_compute_environments(computeEnvironments=[spot])["computeEnvironments"]
    try:
        batch.update_job_queue(jobQueue=queue, computeEnvironmentOrder=in_order(spot))
        batch.update_compute_environment(computeEnvironment=spot, computeResources={"maxvCpus": 1})
        with run_of(platform, file, "QueueFull", hangs) as run_id:
            wait_until(lambda: any("Repeat-0" in each["jobName"] for each in running(platform, run_id)))
            wait_until(lambda: any(job["status"] == "RUNNABLE" for job in platform.jobs(run_id)))
            yield run_id
    finally:
        before = {"maxvCpus": described["computeResources"]["maxvCpus"]}
        batch.update_compute_environment(computeEnvironment=spot, computeResources=before)
        batch.update_job_queue(jobQueue=queue, computeEnvironmentOrder=in_order(spot, on_demand))


@contextmanager
def address_not_confirmed(platform: Platform) -> Iterator[None]:
    """With HTTP: the emulator takes an e-mail address for confirmed at once. Nobody listens there."""
    sns, topic = platform.client("sns"), platform.output("NotificationTopicArn")
    endpoint = "http://127.0.0.1:9/someone"
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint)
    try:
        yield
    finally:
        for each in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]:
            if each["Endpoint"] == endpoint:
                sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])


@contextmanager
def input_archived(platform: Platform, file: Path) -> Iterator[str]:
    """A run that waits while its input has moved to Glacier; gives its id."""
    with run_of(platform, file, "Archived", STUCK) as run_id:
        given = platform.show(run_id)["parameters"]
        platform.client("s3").put_object(
            Bucket=given["INPUT_BUCKET"], Key=given["INPUT_KEY"], Body=file.read_bytes(), StorageClass="GLACIER"
        )
        try:
            yield run_id
        finally:
            platform.client("s3").delete_object(Bucket=given["INPUT_BUCKET"], Key=given["INPUT_KEY"])


@contextmanager
def run_of(platform: Platform, file: Path, project: str, fault: dict[str, Any]) -> Iterator[str]:
    """A run that this fault befalls; gives its id, and ends both."""
    platform.set_faults(fault)
    try:
        run_id = platform.submit(file, project, 250)
        try:
            yield run_id
        finally:
            platform.set_faults()
            platform.hpc("cancel", run_id)
    finally:
        platform.set_faults()


@contextmanager
def changed_definition(platform: Platform, job: str, **changes: Any) -> Iterator[None]:
    """A newer revision of a job's definition, as somebody makes it who changes it past the deployment."""
    batch = platform.client("batch")
    arn = platform.output("JobDefinitionArns")["string_processing"][job]
    (definition,) = batch.describe_job_definitions(jobDefinitions=[arn])["jobDefinitions"]
    made = batch.register_job_definition(
        jobDefinitionName=definition["jobDefinitionName"],
        type="container",
        containerProperties={**definition["containerProperties"], **changes},
    )
    try:
        yield
    finally:
        batch.deregister_job_definition(jobDefinition=made["jobDefinitionArn"])


def environments(platform: Platform, architecture: str) -> list[str]:
    """The names of an architecture's environments: Spot, on-demand."""
    described = platform.client("batch").describe_compute_environments()["computeEnvironments"]
    found = [each for each in described if f"Compute{architecture}" in each["computeEnvironmentName"]]
    by_kind = {each["computeResources"]["type"]: each["computeEnvironmentName"] for each in found}
    return [by_kind["SPOT"], by_kind["EC2"]]


def in_order(*names: str) -> list[dict[str, Any]]:
    return [{"order": number, "computeEnvironment": name} for number, name in enumerate(names, start=1)]


def running(platform: Platform, run_id: str) -> list[dict[str, Any]]:
    return [job for job in platform.jobs(run_id) if job["status"] == "RUNNING"]


def manifest(number: int, architecture: str, system: str) -> dict[str, Any]:
    return {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": f"sha256:{number:064x}",
        "size": 1024,
        "platform": {"architecture": architecture, "os": system},
    }


def vcpus(number: str) -> dict[str, str]:
    return {"type": "VCPU", "value": number}


def memory(mib: str) -> dict[str, str]:
    return {"type": "MEMORY", "value": mib}
