"""What a stack tells about itself, and which buckets its jobs may use."""

import pytest

from hpc.connection import Connection
from hpc.errors import PlatformUnreachable, WrongInput
from hpc.stack import AllowedKeys, check_buckets, describe


def parameters(**changes):
    return {
        "ProjectNo": "P1",
        "INPUT_BUCKET": "data-bucket",
        "INPUT_KEY": "uploads/P1/lines.txt",
        "SPLIT_NUM": 10,
    } | changes


def test_the_outputs_of_the_stack_are_read(stack):
    assert stack.name == "Production-test"
    assert stack.bucket == "data-bucket"
    assert stack.run_table == "run-table"
    assert stack.state_machine("string_processing").endswith(":stateMachine:string_processing")
    assert stack.allowed_inputs[0] == AllowedKeys(bucket="data-bucket", keys=("uploads/*", "source/*"))


def test_a_run_with_an_architecture_has_that_ones_queues_and_any_other_all(stack):
    assert [arn.rpartition("/")[2] for arn in stack.queues("x86")] == ["x86-first_try", "x86-next_tries"]
    assert len(stack.queues(None)) == 4


def test_a_workflow_that_was_not_deployed_is_refused(stack):
    with pytest.raises(PlatformUnreachable) as refusal:
        stack.state_machine("read_mapping")
    assert str(refusal.value) == (
        "Stack Production-test: found the workflows string_processing; expected read_mapping; deploy again: hpc up, or "
        "on AWS cdk deploy Production-test"
    )


@pytest.mark.parametrize(("is_laptop", "advice"), [(True, "hpc up"), (False, "cdk deploy Production-nobody")])
def test_a_missing_stack_is_refused(connection, is_laptop, advice):
    elsewhere = Connection(
        stack_name="Production-nobody",
        is_laptop=is_laptop,
        session=connection.session,
        config=connection.config,
        endpoint_url=connection.endpoint_url,
    )
    with pytest.raises(PlatformUnreachable) as refusal:
        describe(elsewhere)
    assert str(refusal.value) == f"Stack Production-nobody: found none of that name; deploy it: {advice}"


@pytest.mark.parametrize(
    ("pattern", "key", "allowed"),
    [
        ("uploads/*", "uploads/a/b.txt", True),
        ("uploads/*", "upload/a", False),
        ("uploads/*", "x/uploads/a", False),
        ("raw/?.txt", "raw/a.txt", True),
        ("raw/?.txt", "raw/ab.txt", False),
        ("raw/[a].txt", "raw/a.txt", False),
        ("raw/[a].txt", "raw/[a].txt", True),
        ("*", "", True),
    ],
)
def test_patterns_match_as_in_iam(pattern, key, allowed):
    assert AllowedKeys(bucket="b", keys=(pattern,)).allows(key) is allowed


def test_buckets_and_keys_that_jobs_may_use_pass(stack, string_processing):
    check_buckets(stack, string_processing, parameters())
    check_buckets(
        stack,
        string_processing,
        parameters(INPUT_BUCKET="other-bucket", INPUT_KEY="raw/a", OUTPUT_BUCKET="data-bucket"),
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"INPUT_BUCKET": "foreign", "OUTPUT_BUCKET": "data-bucket"},
            "--input-bucket (INPUT_BUCKET): found s3://foreign/uploads/P1/lines.txt, which the platform's jobs may not "
            "use; expected one of: data-bucket (uploads/*, source/*); other-bucket (raw/*); to allow another, add it "
            "to the setting inputBuckets and deploy again",
        ),
        (
            {"INPUT_KEY": "result/P0/String_Repeat_Merge/x"},
            "--input-key (INPUT_KEY): found s3://data-bucket/result/P0/String_Repeat_Merge/x, which the "
            "platform's jobs may not use; expected one of: data-bucket (uploads/*, source/*); other-bucket (raw/*); to "
            "allow another, add it to the setting inputBuckets and deploy again",
        ),
        (
            {"INPUT_BUCKET": "other-bucket", "INPUT_KEY": "raw/a"},
            "--output-bucket (OUTPUT_BUCKET): found s3://other-bucket/result/P1/String_Repeat_Merge/repeat_a_merge, "
            "which the platform's jobs may not use; expected one of: data-bucket (result/*); to allow another, add it "
            "to the setting outputBuckets and deploy again",
        ),
    ],
)
def test_buckets_and_keys_that_jobs_may_not_use_are_refused(stack, string_processing, changes, message):
    with pytest.raises(WrongInput) as refusal:
        check_buckets(stack, string_processing, parameters(**changes))
    assert str(refusal.value) == message
