"""What is refused before a run starts, since its jobs would wait for ever."""

import pytest

from hpc.errors import PlatformUnreachable
from hpc.parameters import validate
from hpc.readiness import check_ready
from hpc.resume import resume
from hpc.runs import Runs
from hpc.submission import submit_object


@pytest.fixture
def update_environment(connection):
    batch = connection.client("batch")
    yield lambda **changes: batch.update_compute_environment(computeEnvironment="test", **changes)
    batch.update_compute_environment(computeEnvironment="test", state="ENABLED", computeResources={"maxvCpus": 4})


def test_what_is_well_is_let_through(connection, stack, string_processing):
    check_ready(connection, stack, string_processing, "graviton")


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


def test_without_an_architecture_one_that_is_well_is_enough(connection, stack, string_processing, update_environment):
    batch, queue = connection.client("batch"), stack.job_queues["x86"]["first_try"]
    (described,) = batch.describe_compute_environments(computeEnvironments=["test"])["computeEnvironments"]
    other = batch.create_compute_environment(
        computeEnvironmentName="other", type="MANAGED", computeResources=described["computeResources"]
    )["computeEnvironmentArn"]
    batch.update_job_queue(jobQueue=queue, computeEnvironmentOrder=[{"order": 1, "computeEnvironment": other}])
    update_environment(state="DISABLED")
    try:
        check_ready(connection, stack, string_processing, None)
        with pytest.raises(PlatformUnreachable, match="graviton-first_try"):
            check_ready(connection, stack, string_processing, "graviton")
    finally:
        batch.update_job_queue(jobQueue=queue, computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "test"}])
        batch.update_compute_environment(computeEnvironment=other, state="DISABLED")
        batch.delete_compute_environment(computeEnvironment=other)


def test_nor_is_a_run_continued(connection, stack, string_processing, make_run, update_environment):
    given = {"ProjectNo": "P", "INPUT_BUCKET": "data-bucket", "INPUT_KEY": "uploads/ready.txt", "SPLIT_NUM": 1}
    run = make_run(parameters={**given, "OUTPUT_BUCKET": "data-bucket", "architecture": "x86"}, status="CANCELLED")
    update_environment(state="DISABLED")
    with pytest.raises(PlatformUnreachable, match=r"^The queue x86-first_try \(x86, first try\) has no compute "):
        resume(connection, stack, string_processing, run)
    assert Runs(connection, stack.run_table).get(run.run_id).status == "CANCELLED"


def test_a_job_larger_than_any_environment_is_refused(connection, stack, string_processing, update_environment):
    batch = connection.client("batch")
    asked = [{"type": "VCPU", "value": "5"}, {"type": "MEMORY", "value": "64"}]
    made = batch.register_job_definition(
        jobDefinitionName="test-string_merge",
        type="container",
        containerProperties={"image": "registry.example/string_merge:latest", "resourceRequirements": asked},
    )
    try:
        with pytest.raises(PlatformUnreachable, match=r"^Job string_merge asks for 5 vCPUs; found at most 4 in "):
            check_ready(connection, stack, string_processing, "graviton")
        update_environment(computeResources={"maxvCpus": 5})
        check_ready(connection, stack, string_processing, "graviton")
    finally:
        batch.deregister_job_definition(jobDefinition=made["jobDefinitionArn"])


def test_what_may_not_be_looked_at_is_not_held_against_a_run(connection, stack, string_processing):
    def deny(**_):
        raise connection.client("batch").exceptions.ClientException(
            {"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeJobQueues"
        )

    events = connection.client("batch").meta.events
    events.register_first("before-parameter-build.batch.DescribeJobQueues", deny)
    try:
        check_ready(connection, stack, string_processing, "graviton")
    finally:
        events.unregister("before-parameter-build.batch.DescribeJobQueues", deny)
