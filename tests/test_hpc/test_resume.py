"""Runs that go on: which ones may, what is redone, and what two resumes at once or a crash in between leave behind."""

import json
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from hpc import resume as resuming
from hpc.errors import HpcError, WrongInput
from hpc.resume import next_number, resume

STEPS = ["String_Repeat", "String_Repeat_Merge", "String_Reverse", "String_Reverse_Merge", "String_Split"]
WAITS = {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}


@pytest.fixture
def failed(states, runs, submitted):
    """That run after its execution failed."""
    states.stop_execution(executionArn=submitted.execution_arn, error="Broken", cause="enough")
    runs.finish(submitted, "FAILED", ["two shards are missing"])
    return runs.get(submitted.run_id)


@pytest.fixture
def leave(connection):
    """Writes what the split of a run leaves: its shards, their list, its record."""

    def write(run, *names, bytes_of=lambda name: 8):
        s3 = connection.client("s3")
        folder, texts = f"result/{run.project}/String_Split/", {}
        shards = [{"name": f"lines.txt_{index:05d}", "bytes": 8} for index in range(2)]
        for shard in shards:
            texts[f"{folder}{shard['name']}"] = b"x" * bytes_of(shard["name"])
        texts[f"{folder}lines.txt_splitlist"] = b"".join(f"{folder}{shard['name']}\n".encode() for shard in shards)
        texts[f"result/{run.project}/records/{run.run_id}/String_Split.json"] = json.dumps({"shards": shards}).encode()
        for key, text in texts.items():
            if not names or key.endswith(names):
                s3.put_object(Bucket="data-bucket", Key=key, Body=text)

    return write


@pytest.fixture
def case(states, runs, failed, do_resume, leave):
    """A failed run with a whole split, and what a test does with it."""
    leave(failed)
    return SimpleNamespace(
        run=failed,
        leave=lambda: leave(failed),
        latest=lambda: runs.get(failed.run_id),
        resume=lambda: do_resume(runs.get(failed.run_id)),
        stop=lambda run: states.stop_execution(executionArn=run.execution_arn),
        given=lambda run: given_to(states, run),
        started=lambda run: states.describe_execution(executionArn=run.execution_arn)["startDate"],
        finish=lambda run: runs.finish(run, "FAILED", ["its execution was never started"]),
    )


def given_to(states, run):
    """The input of the run's newest execution."""
    return json.loads(states.describe_execution(executionArn=run.execution_arn)["input"])


def test_a_failed_run_goes_on_in_another_execution(states, runs, failed, do_resume, leave):
    leave(failed)
    again = do_resume(failed)

    assert again.execution_arn == failed.execution_arn.removesuffix("-1") + "-2"
    found = runs.get(failed.run_id)
    assert found == again
    assert (found.status, found.reasons, found.stopped_at, found.resumes) == ("PENDING", (), "", 1)
    first, second = given_to(states, failed), given_to(states, again)
    assert second == {**first, "split_done": True, "redo": [], "made_since": {}, "resumes": 1}


def test_a_run_may_be_resumed_as_often_as_it_fails(states, runs, failed, do_resume):
    for number in (2, 3, 4):
        again = do_resume(runs.get(failed.run_id))
        assert (again.execution_arn.rpartition("-")[2], again.resumes) == (str(number), number - 1)
        states.stop_execution(executionArn=again.execution_arn)


def test_a_run_that_goes_on_is_refused(do_resume, submitted):
    with pytest.raises(WrongInput) as refusal:
        do_resume(submitted)
    assert str(refusal.value) == (
        f"run {submitted.run_id}: found it still going (PENDING); expected one that has failed or was cancelled; watch "
        f"it: hpc show {submitted.run_id} --watch; or end it: hpc cancel {submitted.run_id}"
    )


def test_a_run_that_succeeded_is_refused(do_resume, make_run):
    run = make_run(status="SUCCEEDED")
    with pytest.raises(WrongInput) as refusal:
        do_resume(run)
    assert str(refusal.value) == (
        f"run {run.run_id}: found it SUCCEEDED; expected one that has failed or was cancelled; there is nothing to do, "
        f"fetch its results: hpc results {run.run_id} -o DIR"
    )


class TestInput:
    """A run goes on with the input that it began with, or not at all."""

    def test_an_input_that_is_gone_is_told(self, connection, failed, do_resume):
        connection.client("s3").delete_object(Bucket="data-bucket", Key=failed.parameters["INPUT_KEY"])
        with pytest.raises(WrongInput, match="found no such object; expected one that exists"):
            do_resume(failed)

    def test_an_input_that_changed_is_told(self, connection, runs, failed, do_resume):
        key = failed.parameters["INPUT_KEY"]
        connection.client("s3").put_object(Bucket="data-bucket", Key=key, Body=b"other\n")
        with pytest.raises(WrongInput) as refusal:
            do_resume(failed)
        assert f"found another version of its input 's3://data-bucket/{key}' (ETag " in str(refusal.value)
        assert f"expected the one that it began with (ETag {failed.input_etag}); put that one back" in str(
            refusal.value
        )
        assert runs.get(failed.run_id) == failed


class TestProject:
    """Two runs never write one result folder."""

    @pytest.fixture
    def lease_row(self, connection, stack, project):
        table, key = connection.table(stack.run_table), {"pk": f"LEASE#{project}", "sk": "LEASE"}

        def write(**attributes):
            table.put_item(Item={**key, **attributes})
            return lambda: table.get_item(Key=key)["Item"].get("holder")

        return write

    def test_a_project_that_another_run_holds_is_refused(self, failed, do_resume, make_run, start_execution, lease_row):
        other = make_run(status="RUNNING", execution_arn=start_execution(WAITS))
        lease_row(holder=other.run_id)
        with pytest.raises(WrongInput, match=rf"found run {other.run_id} of it still going \(RUNNING\)"):
            do_resume(failed)

    def test_the_lease_of_its_own_dead_execution_is_given_back(self, failed, do_resume, lease_row):
        holder = lease_row(holder=failed.run_id, execution_arn=failed.execution_arn)
        do_resume(failed)
        assert holder() is None

    def test_results_of_another_input_are_only_replaced_when_told(self, failed, do_resume, lease_row):
        lease_row(input_uri="s3://data-bucket/uploads/other.txt", input_etag="e")
        with pytest.raises(WrongInput, match="found results of another input"):
            do_resume(failed)
        assert do_resume(failed, overwrite=True).status == "PENDING"

    def test_jobs_that_the_run_left_are_told(self, connection, failed, do_resume, running_job):
        job_id = running_job(failed.run_id, "String_Split-0")
        with pytest.raises(WrongInput) as refusal:
            do_resume(failed)
        connection.client("batch").terminate_job(jobId=job_id, reason="the test is over")
        assert str(refusal.value) == (
            f"run {failed.run_id}: found 1 job of it still going, though the run is over; expected none; end what is "
            f"left, then resume again: hpc cancel {failed.run_id}"
        )


class TestShards:
    """The split is not repeated when what it left is whole and this run's."""

    def test_without_a_record_the_split_is_made(self, states, failed, do_resume):
        given = given_to(states, do_resume(failed))
        assert (given["split_done"], given["redo"]) == (False, [])

    @pytest.mark.parametrize("there", [("_00000", "_splitlist"), ("_00000", "_00001")])
    def test_with_a_shard_or_the_list_expired_only_the_split_is_made_anew(
        self, states, failed, do_resume, leave, there
    ):
        leave(failed, *there, "String_Split.json")
        given = given_to(states, do_resume(failed))
        assert (given["split_done"], given["redo"]) == (False, ["String_Split"])

    def test_shards_of_another_size_are_of_another_run(self, states, failed, do_resume, leave):
        leave(failed, bytes_of=lambda name: 8 if name.endswith("0") else 9)
        given = given_to(states, do_resume(failed))
        assert (given["split_done"], given["redo"]) == (False, STEPS)

    def test_shards_younger_than_their_record_are_of_another_run(self, states, failed, do_resume, leave):
        leave(failed)
        time.sleep(1.1)
        leave(failed, "_00001")
        given = given_to(states, do_resume(failed))
        assert (given["split_done"], given["redo"]) == (False, STEPS)


class TestCode:
    """What other code made is made anew, with all that was made of it."""

    @pytest.mark.parametrize(
        ("image", "split_done", "redo"),
        [
            ("string_split", False, STEPS),
            ("string_repeat", True, ["String_Repeat", "String_Repeat_Merge"]),
            ("string_reverse", True, ["String_Reverse", "String_Reverse_Merge"]),
            ("string_merge", True, ["String_Repeat_Merge", "String_Reverse_Merge"]),
        ],
    )
    def test_a_changed_job_is_redone(self, case, image_digests, image, split_done, redo):
        image_digests.change(image)
        given = case.given(case.resume())
        assert (given["split_done"], given["redo"], given["made_since"]) == (split_done, redo, {})

    def test_a_run_whose_code_nobody_noted_redoes_everything(self, make_run, failed, do_resume, leave):
        given = {name: getattr(failed, name) for name in ("project", "parameters", "input_etag", "execution_arn")}
        run = make_run(status="FAILED", **given)
        leave(run)
        assert list(do_resume(run).redo) == STEPS

    def test_later_resumes_count_records_from_the_start_of_that_execution(self, case, image_digests):
        image_digests.change("string_repeat")
        second = case.resume()
        case.stop(second)

        image_digests.change("string_merge")
        given = case.given(case.resume())
        text = resuming.as_text(case.started(second))
        assert given["redo"] == ["String_Repeat_Merge", "String_Reverse_Merge"]
        assert given["made_since"] == {"String_Repeat": text, "String_Repeat_Merge": text}

    def test_what_an_execution_had_to_redo_that_never_started_is_still_to_redo(self, case, image_digests, monkeypatch):
        image_digests.change("string_repeat")
        with monkeypatch.context() as patch:
            patch.setattr(resuming, "start_execution", lambda *_, **__: None)
            second = case.resume()
        assert case.latest().status == "PENDING", "its execution may be about to start"
        case.finish(second)

        third = case.resume()
        assert third.execution_arn.endswith("-3")
        assert case.given(third)["redo"] == ["String_Repeat", "String_Repeat_Merge"]

    def test_a_split_that_was_redone_is_done_only_with_a_record_of_that_execution(self, case, image_digests):
        image_digests.change("string_split")
        time.sleep(1.1)
        second = case.resume()
        case.stop(second)
        third = case.resume()
        assert case.given(third)["split_done"] is False
        case.stop(third)
        time.sleep(1.1)
        case.leave()
        assert case.given(case.resume())["split_done"] is True


def test_of_two_resumes_at_once_one_wins(failed, do_resume):
    first = do_resume(failed)
    with pytest.raises(WrongInput) as refusal:
        do_resume(failed)
    assert str(refusal.value) == (
        f"run {first.run_id}: found that it was resumed or ended by somebody else at the same time; expected it to "
        f"stay as it was; look at it: hpc show {first.run_id}"
    )


def test_an_execution_that_cannot_be_started_is_a_failed_run(connection, stack, string_processing, runs, failed):
    gone = "arn:aws:states:us-east-1:000000000000:stateMachine:gone"
    broken = replace(stack, state_machines={"string_processing": gone})
    with pytest.raises(HpcError, match="its execution could not be started: StateMachineDoesNotExist: "):
        resume(connection, broken, string_processing, failed, rest_s=0)
    assert runs.get(failed.run_id).status == "FAILED"


@pytest.mark.parametrize(("name", "number"), [("R1-1", 2), ("R1-9", 10), ("R1", 2), ("other", 2), ("R1-x", 2)])
def test_the_number_of_the_next_execution(make_run, name, number):
    run = replace(make_run(), run_id="R1", execution_arn=f"arn:aws:states:us-east-1:1:execution:machine:{name}")
    assert next_number(run) == number
