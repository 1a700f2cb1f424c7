"""One key starts one run, whatever is sent at once and whoever fails in between."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from hpc.errors import Conflict, HpcError, WrongInput
from hpc.parameters import validate
from hpc.runs import Runs
from hpc.submission import submit_once
from hpc.submission_keys import SubmissionKey, put_both, run_started_with


@pytest.fixture
def key(project):
    return SubmissionKey(owner="arn:alice", key=project, digest="d")


@pytest.fixture
def values(connection, stack, string_processing, project):
    connection.client("s3").put_object(Bucket=stack.bucket, Key="uploads/a.txt", Body=b"a\n")
    given = {"ProjectNo": project, "INPUT_BUCKET": stack.bucket, "INPUT_KEY": "uploads/a.txt", "SPLIT_NUM": 1}
    return validate(string_processing, given)


@pytest.fixture
def submit(connection, stack, string_processing, values):
    return lambda key: submit_once(connection, stack, string_processing, values, overwrite=False, key=key)


def test_the_second_time_gives_the_run_of_the_first(connection, stack, submit, key):
    first, is_new = submit(key)
    again, is_new_again = submit(key)
    assert (is_new, is_new_again) == (True, False)
    assert again.run_id == first.run_id
    assert first.owner == "arn:alice"
    assert run_started_with(connection.table(stack.run_table), key) == first.run_id


def test_of_many_at_once_one_starts(connection, stack, submit, key, project):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: submit(key), range(32)))
    assert sum(is_new for _, is_new in answers) == 1
    assert len({run.run_id for run, _ in answers}) == 1
    runs = [run for run in Runs(connection, stack.run_table).recent(1) if run.project == project]
    assert len(runs) == 1


def test_a_key_is_its_owner_s(submit, key, connection, stack):
    first, _ = submit(key)
    connection.client("stepfunctions").stop_execution(executionArn=first.execution_arn)
    other, is_new = submit(SubmissionKey("arn:bob", key.key, key.digest))
    assert (is_new, other.run_id != first.run_id) == (True, True)


def test_a_key_is_good_for_one_request(submit, key):
    run, _ = submit(key)
    with pytest.raises(WrongInput) as refusal:
        submit(SubmissionKey(key.owner, key.key, "another"))
    assert refusal.value.field == "Idempotency-Key"
    assert f"which started run {run.run_id} with another body" in str(refusal.value)


def test_a_run_that_could_not_be_started_is_no_earlier_one(connection, stack, string_processing, values, key):
    gone = {name: arn + "gone" for name, arn in stack.state_machines.items()}
    without = replace(stack, state_machines=gone)
    with pytest.raises(HpcError, match="its execution could not be started: StateMachineDoesNotExist"):
        submit_once(connection, without, string_processing, values, overwrite=False, key=key)
    # Who asks again is given that run
    run, is_new = submit_once(connection, without, string_processing, values, overwrite=False, key=key)
    assert (run.status, is_new) == ("FAILED", False)


def test_a_refused_submission_uses_no_key(connection, stack, submit, key):
    connection.client("s3").delete_object(Bucket=stack.bucket, Key="uploads/a.txt")
    with pytest.raises(WrongInput):
        submit(key)
    assert run_started_with(connection.table(stack.run_table), key) is None


def test_keys_are_not_among_the_runs_by_time(connection, stack, submit, key):
    run, _ = submit(key)
    table = connection.table(stack.run_table)
    assert "created_at" not in table.get_item(Key=key.row)["Item"]
    found = table.scan(IndexName="RunsByTime")["Items"]
    assert {item["sk"] for item in found} == {"META"}
    assert f"RUN#{run.run_id}" in {item["pk"] for item in found}


def test_a_key_is_written_with_its_run_or_not_at_all(connection, stack, key, make_run):
    table, run = connection.table(stack.run_table), make_run()
    with pytest.raises(ClientError):
        put_both(table, key, {"pk": f"RUN#{run.run_id}", "sk": "META", "created_at": run.created_at})
    assert run_started_with(table, key) is None
    put_both(table, key, {"pk": f"RUN#{run.run_id}-other", "sk": "META", "created_at": run.created_at})
    with pytest.raises(Conflict):
        put_both(table, key, {"pk": f"RUN#{run.run_id}-third", "sk": "META", "created_at": run.created_at})
    assert "Item" not in table.get_item(Key={"pk": f"RUN#{run.run_id}-third", "sk": "META"})
