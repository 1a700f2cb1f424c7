"""Compute environments, job queues, job definitions and tags, as a boto3 client and CloudFormation make them."""

import pytest
from botocore.exceptions import ClientError

RESOURCES = {"type": "SPOT", "maxvCpus": 16, "subnets": ["subnet-1"], "instanceTypes": ["r6g"], "instanceRole": "role"}


def names(answer, key):
    return [entry[f"{key[0]}Name"] for entry in answer[f"{key[0]}s"]]


def test_a_compute_environment_from_creation_to_deletion(batch):
    # When
    made = batch.client.create_compute_environment(
        computeEnvironmentName="spot", type="MANAGED", computeResources=RESOURCES, serviceRole="role", tags={"a": "b"}
    )
    # Then
    assert made["computeEnvironmentArn"] == "arn:aws:batch:eu-central-1:123456789012:compute-environment/spot"
    for reference in ("spot", made["computeEnvironmentArn"]):
        [found] = batch.client.describe_compute_environments(computeEnvironments=[reference])["computeEnvironments"]
        assert (found["state"], found["status"], found["type"]) == ("ENABLED", "VALID", "MANAGED")
        assert found["computeResources"] == {**RESOURCES, "minvCpus": 0, "desiredvCpus": 0}
        assert found["tags"] == {"a": "b"}
    with pytest.raises(ClientError, match="Object already exists: spot"):
        batch.client.create_compute_environment(
            computeEnvironmentName="spot", type="MANAGED", computeResources=RESOURCES
        )
    with pytest.raises(ClientError, match="must be disabled"):
        batch.client.delete_compute_environment(computeEnvironment="spot")
    batch.client.update_compute_environment(
        computeEnvironment="spot", state="DISABLED", computeResources={"maxvCpus": 32}
    )
    [found] = batch.client.describe_compute_environments(computeEnvironments=["spot"])["computeEnvironments"]
    assert (found["state"], found["computeResources"]["maxvCpus"]) == ("DISABLED", 32)
    assert found["computeResources"]["instanceTypes"] == ["r6g"]
    batch.client.delete_compute_environment(computeEnvironment="spot")
    assert batch.client.describe_compute_environments(computeEnvironments=["spot"])["computeEnvironments"] == []
    batch.client.delete_compute_environment(computeEnvironment="spot")


def test_a_compute_environment_with_a_queue_cannot_be_deleted(batch):
    batch.client.update_compute_environment(computeEnvironment="queue-environment", state="DISABLED")
    with pytest.raises(ClientError, match="Cannot delete, found existing JobQueue relationship"):
        batch.client.delete_compute_environment(computeEnvironment="queue-environment")
    batch.client.update_job_queue(jobQueue="queue", state="DISABLED")
    batch.client.delete_job_queue(jobQueue="queue")
    batch.client.delete_compute_environment(computeEnvironment="queue-environment")


def test_what_cloudformation_hands_over_is_understood(batch):
    # Given the CDK's spelling, numbers as texts, and members of the resource type that the API does not have
    batch.service.handle(
        "CreateComputeEnvironment",
        {
            "computeEnvironmentName": "made",
            "type": "managed",
            "computeResources": {**RESOURCES, "maxvCpus": "16"},
            "replaceComputeEnvironment": False,
            "updatePolicy": {"jobExecutionTimeoutMinutes": 30},
        },
    )
    batch.service.handle(
        "CreateJobQueue",
        {
            "jobQueueName": "made",
            "priority": "1",
            "computeEnvironmentOrder": [{"order": "1", "computeEnvironment": "made"}],
        },
    )
    [found] = batch.client.describe_compute_environments(computeEnvironments=["made"])["computeEnvironments"]
    assert (found["type"], found["computeResources"]["maxvCpus"]) == ("MANAGED", 16)
    assert found["updatePolicy"] == {"jobExecutionTimeoutMinutes": 30}


def test_a_queue_from_creation_to_deletion(batch):
    limit = {
        "reason": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
        "state": "RUNNABLE",
        "maxTimeSeconds": 600,
        "action": "CANCEL",
    }
    batch.add_queue("other", jobStateTimeLimitActions=[limit], tags={"a": "b"})
    [found] = batch.client.describe_job_queues(jobQueues=["other"])["jobQueues"]
    assert (found["state"], found["status"], found["priority"]) == ("ENABLED", "VALID", 1)
    [entry] = found["computeEnvironmentOrder"]
    assert entry["computeEnvironment"].endswith(":compute-environment/other-environment")
    assert (found["jobStateTimeLimitActions"], found["tags"]) == ([limit], {"a": "b"})
    answer = batch.client.update_job_queue(jobQueue=found["jobQueueArn"], priority=7)
    assert answer["jobQueueName"] == "other"
    assert batch.client.describe_job_queues(jobQueues=["other"])["jobQueues"][0]["priority"] == 7
    with pytest.raises(ClientError, match="must be disabled"):
        batch.client.delete_job_queue(jobQueue="other")
    batch.client.update_job_queue(jobQueue="other", state="DISABLED")
    batch.client.delete_job_queue(jobQueue="other")
    batch.client.delete_job_queue(jobQueue="other")
    assert [queue["jobQueueName"] for queue in batch.client.describe_job_queues()["jobQueues"]] == ["queue"]


def test_deleting_a_queue_ends_its_jobs(batch):
    definition = batch.define("work", "sleep", "60", vcpus="2")
    running, waiting = batch.submit(definition), batch.submit(definition)
    batch.wait(running, ("RUNNING",))
    batch.client.update_job_queue(jobQueue="queue", state="DISABLED")
    batch.client.delete_job_queue(jobQueue="queue")
    for job_id in (running, waiting):
        job = batch.wait(job_id)
        assert (job["status"], job["statusReason"]) == ("FAILED", "The job queue was deleted")
    assert len(batch.describe(waiting)["attempts"]) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"computeEnvironmentOrder": [{"order": 1, "computeEnvironment": "x"}]}, "Compute environment x not found"),
        ({"computeEnvironmentOrder": []}, "1 to 3 entries, found 0"),
        (
            {"computeEnvironmentOrder": [{"order": n, "computeEnvironment": "queue-environment"} for n in range(4)]},
            "1 to 3 entries, found 4",
        ),
        ({"priority": -1}, "priority must be from 0"),
        ({"jobQueueName": "a b"}, "jobQueueName should match"),
        (
            {
                "jobStateTimeLimitActions": [
                    {"reason": "x", "state": "RUNNABLE", "maxTimeSeconds": 599, "action": "CANCEL"}
                ]
            },
            "maxTimeSeconds must be from 600 to 86400, found 599",
        ),
    ],
)
def test_a_bad_queue_is_refused(batch, change, message):
    order = [{"order": 1, "computeEnvironment": "queue-environment"}]
    request = {"jobQueueName": "other", "priority": 1, "computeEnvironmentOrder": order, **change}
    with pytest.raises(ClientError, match=message):
        batch.client.create_job_queue(**request)


def test_revisions_count_up_and_a_deregistered_one_stays_readable(batch):
    # Given three revisions of one name and one of another
    arns = [batch.define("work", "echo", str(number)) for number in range(3)] + [batch.define("other", "true")]
    assert [arn.rpartition(":")[2] for arn in arns] == ["1", "2", "3", "1"]
    # When the newest is deregistered
    batch.client.deregister_job_definition(jobDefinition="work:3")

    # Then
    def described(**request):
        found = batch.client.describe_job_definitions(**request)["jobDefinitions"]
        return [f"{entry['jobDefinitionName']}:{entry['revision']}" for entry in found]

    assert described(jobDefinitionName="work") == ["work:3", "work:2", "work:1"]
    assert described(jobDefinitionName="work", status="ACTIVE") == ["work:2", "work:1"]
    assert described(status="INACTIVE") == ["work:3"]
    assert described(jobDefinitions=[arns[0], "other:1", "work:9"]) == ["work:1", "other:1"]
    pages = batch.client.get_paginator("describe_job_definitions").paginate(PaginationConfig={"PageSize": 3})
    assert [len(page["jobDefinitions"]) for page in pages] == [3, 1]
    assert batch.define("work", "true").endswith(":4")
    with pytest.raises(ClientError, match="JobDefinition work:9 not found"):
        batch.client.deregister_job_definition(jobDefinition="work:9")


def test_a_definition_shows_what_was_registered(batch):
    batch.define(
        "work",
        "echo",
        "Ref::x",
        parameters={"x": "1"},
        timeout={"attemptDurationSeconds": 60},
        retryStrategy={"attempts": 2, "evaluateOnExit": [{"onReason": "*", "action": "EXIT"}]},
        propagateTags=True,
        tags={"a": "b"},
    )
    [found] = batch.client.describe_job_definitions(jobDefinitionName="work")["jobDefinitions"]
    assert (found["status"], found["type"], found["platformCapabilities"]) == ("ACTIVE", "container", ["EC2"])
    assert (found["parameters"], found["timeout"]) == ({"x": "1"}, {"attemptDurationSeconds": 60})
    assert found["retryStrategy"]["attempts"] == 2
    assert (found["propagateTags"], found["tags"]) == (True, {"a": "b"})
    assert found["containerProperties"]["command"] == ["echo", "Ref::x"]


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"image": ""}, "image is required"),
        ({"resourceRequirements": [{"type": "VCPU", "value": "1"}]}, "must give MEMORY"),
        ({"resourceRequirements": []}, "must give VCPU and MEMORY"),
        ({"environment": [{"name": "AWS_BATCH_JOB_ID", "value": "x"}]}, "must not set AWS_BATCH_JOB_ID"),
    ],
)
def test_a_bad_definition_is_refused(batch, container, message):
    with pytest.raises(ClientError, match=message):
        batch.define("work", "true", container=container)


def test_the_old_fields_for_vcpus_and_memory_still_count(batch):
    # Given a definition with the old fields only
    old = {"resourceRequirements": [], "vcpus": 1, "memory": 64}
    definition = batch.define("work", "true", container=old)

    def asked(job_id):
        entries = batch.describe(job_id)["container"]["resourceRequirements"]
        return {entry["type"]: entry["value"] for entry in entries}

    assert asked(batch.submit(definition)) == {"VCPU": "1", "MEMORY": "64"}
    assert asked(batch.submit(definition, containerOverrides={"memory": 128})) == {"VCPU": "1", "MEMORY": "128"}
    # But an old field does not override a requirement, as on AWS
    other = batch.define("other", "true")
    assert asked(batch.submit(other, containerOverrides={"memory": 999}))["MEMORY"] == "128"


def test_tags_of_every_kind_of_resource(batch):
    definition = batch.define("work", "true")
    job_arn = batch.run("true")["jobArn"]
    queue_arn = batch.client.describe_job_queues()["jobQueues"][0]["jobQueueArn"]
    environment_arn = batch.client.describe_compute_environments()["computeEnvironments"][0]["computeEnvironmentArn"]
    for arn in (definition, job_arn, queue_arn, environment_arn):
        batch.client.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
        batch.client.untag_resource(resourceArn=arn, tagKeys=["a"])
        assert batch.client.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    with pytest.raises(ClientError, match="Resource arn:x not found"):
        batch.client.list_tags_for_resource(resourceArn="arn:x")
