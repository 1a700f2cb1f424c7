"""From parameters to a started execution."""

import dataclasses
import json
import re

import pytest

from hpc.errors import HpcError, WrongInput
from hpc.job_definitions import newest
from hpc.parameters import validate
from hpc.runs import Runs
from hpc.submission import Checked, new_run_id, start, submit_object


def execution_of(connection, run):
    return connection.client("stepfunctions").describe_execution(executionArn=run.execution_arn)


def test_an_object_in_s3_is_submitted(connection, stack, string_processing, project):
    s3 = connection.client("s3")
    s3.put_object(Bucket="other-bucket", Key="raw/a.txt", Body=b"a\n")
    given = {
        "ProjectNo": project,
        "INPUT_BUCKET": "other-bucket",
        "INPUT_KEY": "raw/a.txt",
        "OUTPUT_BUCKET": "data-bucket",
        "SPLIT_NUM": 1,
        "architecture": "x86",
    }
    run = submit_object(
        connection, stack, string_processing, validate(string_processing, given), overwrite=False, owner="arn:someone"
    )
    given_to_machine = json.loads(execution_of(connection, run)["input"])
    assert given_to_machine | given == given_to_machine
    assert given_to_machine["input_etag"] == s3.head_object(Bucket="other-bucket", Key="raw/a.txt")["ETag"].strip('"')
    assert (run.shards, run.owner) == (None, "arn:someone")
    assert Runs(connection, stack.run_table).get(run.run_id).owner == "arn:someone"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"INPUT_KEY": "uploads/none.txt"}, "found no such object; expected one that exists"),
        ({"INPUT_KEY": "uploads/archived.txt"}, "found it archived in Glacier Deep Archive"),
        ({"INPUT_BUCKET": "foreign-bucket"}, "which the platform's jobs may not use; expected one of: data-bucket"),
        ({"OUTPUT_BUCKET": "foreign-bucket"}, r"^--output-bucket \(OUTPUT_BUCKET\): found s3://foreign-bucket/"),
    ],
)
def test_an_object_that_cannot_be_worked_on_starts_nothing(connection, stack, string_processing, changes, message):
    key, project = "uploads/archived.txt", "Project-without-a-run"
    connection.client("s3").put_object(Bucket="data-bucket", Key=key, Body=b"a", StorageClass="DEEP_ARCHIVE")
    given = {"ProjectNo": project, "INPUT_BUCKET": "data-bucket", "INPUT_KEY": "uploads/a", "SPLIT_NUM": 1} | changes
    with pytest.raises(WrongInput, match=message):
        values = validate(string_processing, given)
        submit_object(connection, stack, string_processing, values, overwrite=True, owner="arn:someone")
    assert [run for run in Runs(connection, stack.run_table).recent(1) if run.project == project] == []


def test_an_execution_that_cannot_be_started_is_a_failed_run(connection, stack, string_processing, project):
    gone = "arn:aws:states:us-east-1:000000000000:stateMachine:gone"
    broken = dataclasses.replace(stack, state_machines={"string_processing": gone})
    with pytest.raises(HpcError, match="its execution could not be started: StateMachineDoesNotExist: "):
        definitions = newest(connection, stack, string_processing)
        given = {"ProjectNo": project, "INPUT_BUCKET": "data-bucket", "INPUT_KEY": "uploads/a", "SPLIT_NUM": 1}
        checked = Checked(given, input_etag="", definitions=definitions)
        start(connection, broken, string_processing, checked, owner="me")
    (run,) = [run for run in Runs(connection, stack.run_table).recent(1) if run.project == project]
    assert run.status == "FAILED"
    assert run.reasons[0].startswith("its execution could not be started: ")


def test_run_ids_are_dated_and_different():
    first, second = new_run_id(), new_run_id()
    assert re.fullmatch("[0-9]{8}-[0-9]{6}-[0-9a-f]{6}", first)
    assert first != second
