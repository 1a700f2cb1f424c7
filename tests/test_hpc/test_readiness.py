"""What is refused before a run starts, since its jobs would wait for ever."""

import pytest
from botocore.stub import Stubber

from hpc import job_definitions
from hpc.errors import PlatformUnreachable
from hpc.parameters import validate
from hpc.readiness import check_ready
from hpc.resume import resume
from hpc.runs import Runs
from hpc.submission import submit_object


@pytest.fixture
def ready(connection, stack, string_processing):
    """Checks the workflow's newest definitions on the queues of an architecture, or of any."""

    def check(architecture):
        definitions = job_definitions.newest(connection, stack, string_processing)
        check_ready(connection, stack, string_processing, architecture, definitions)

    return check


@pytest.fixture
def other_environment(connection):
    """Another environment, in the place of the shared one in the queue that is named."""
    batch = connection.client("batch")
    (described,) = batch.describe_compute_environments(computeEnvironments=["test"])["computeEnvironments"]
    arn = batch.create_compute_environment(
        computeEnvironmentName="other", type="MANAGED", computeResources=described["computeResources"]
    )["computeEnvironmentArn"]
    moved = []

    def move(queue):
        moved.append(queue)
        batch.update_job_queue(jobQueue=queue, computeEnvironmentOrder=[{"order": 1, "computeEnvironment": arn}])
        return arn

    yield move
    for queue in moved:
        batch.update_job_queue(jobQueue=queue, computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "test"}])
    batch.update_compute_environment(computeEnvironment=arn, state="DISABLED")
    batch.delete_compute_environment(computeEnvironment=arn)


@pytest.fixture
def update_environment(connection):
    batch = connection.client("batch")
    yield lambda **changes: batch.update_compute_environment(computeEnvironment="test", **changes)
    batch.update_compute_environment(computeEnvironment="test", state="ENABLED", computeResources={"maxvCpus": 4})


def test_what_is_well_is_let_through(ready):
    ready("graviton")


def test_without_an_enabled_environment_nothing_is_submitted(
    connection, stack, string_processing, project, update_environment
):
    connection.client("s3").put_object(Bucket="data-bucket", Key="uploads/ready.txt", Body=b"a\n")
    given = {"ProjectNo": project, "INPUT_BUCKET": "data-bucket", "INPUT_KEY": "uploads/ready.txt", "SPLIT_NUM": 1}
    values = validate(string_processing, given)
    update_environment(state="DISABLED")
    with pytest.raises(PlatformUnreachable) as refusal:
        submit_object(connection, stack, string_processing, values, overwrite=False, owner="me")
    assert str(refusal.value) == (
        "The queue graviton-first_try (graviton, first try) has no compute environment that runs jobs; found test "
        "DISABLED; expected one that is ENABLED and VALID; aws batch update-compute-environment --compute-environment "
        "test --state ENABLED"
    )
    assert [run for run in Runs(connection, stack.run_table).recent(1) if run.project == project] == []


def test_without_an_architecture_one_that_is_well_is_enough(stack, ready, other_environment, update_environment):
    other_environment(stack.job_queues["x86"]["first_try"])
    update_environment(state="DISABLED")
    ready(None)
    with pytest.raises(PlatformUnreachable, match="graviton-first_try"):
        ready("graviton")


def test_only_queues_of_first_tries_count(connection, stack, ready, other_environment):
    other = other_environment(stack.job_queues["graviton"]["first_try"])
    connection.client("batch").update_compute_environment(computeEnvironment=other, state="DISABLED")
    with pytest.raises(PlatformUnreachable, match="graviton-first_try"):
        ready("graviton")
    ready("x86")


def test_a_job_with_more_memory_than_any_instance_is_refused(connection, ready):
    # The emulator describes no instance types of these families: as AWS would tell them.
    size = {"InstanceType": "r6g.nano", "VCpuInfo": {"DefaultVCpus": 2}, "MemoryInfo": {"SizeInMiB": 64}}
    with Stubber(connection.client("ec2")) as ec2:
        ec2.add_response("describe_instance_types", {"InstanceTypes": [size]})
        with pytest.raises(PlatformUnreachable, match=r"^Job string_split asks for 1 vCPUs and 64 MiB; the largest "):
            ready("graviton")


def test_nor_is_a_run_continued(connection, stack, string_processing, make_run, update_environment):
    given = {"ProjectNo": "P", "INPUT_BUCKET": "data-bucket", "INPUT_KEY": "uploads/ready.txt", "SPLIT_NUM": 1}
    run = make_run(parameters={**given, "OUTPUT_BUCKET": "data-bucket", "architecture": "x86"}, status="CANCELLED")
    update_environment(state="DISABLED")
    with pytest.raises(PlatformUnreachable, match=r"^The queue x86-first_try \(x86, first try\) has no compute "):
        resume(connection, stack, string_processing, run)
    assert Runs(connection, stack.run_table).get(run.run_id).status == "CANCELLED"


def test_a_job_larger_than_any_environment_is_refused(connection, ready, update_environment):
    batch = connection.client("batch")
    asked = [{"type": "VCPU", "value": "5"}, {"type": "MEMORY", "value": "64"}]
    made = batch.register_job_definition(
        jobDefinitionName="test-string_merge",
        type="container",
        containerProperties={"image": "registry.example/string_merge:latest", "resourceRequirements": asked},
    )
    try:
        with pytest.raises(PlatformUnreachable, match=r"^Job string_merge asks for 5 vCPUs; found at most 4 in "):
            ready("graviton")
        update_environment(computeResources={"maxvCpus": 5})
        ready("graviton")
    finally:
        batch.deregister_job_definition(jobDefinition=made["jobDefinitionArn"])


def test_what_may_not_be_looked_at_is_not_held_against_a_run(connection, ready):
    def deny(**_):
        raise connection.client("batch").exceptions.ClientException(
            {"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeJobQueues"
        )

    events = connection.client("batch").meta.events
    events.register_first("before-parameter-build.batch.DescribeJobQueues", deny)
    try:
        ready("graviton")
    finally:
        events.unregister("before-parameter-build.batch.DescribeJobQueues", deny)
