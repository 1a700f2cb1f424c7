"""Jobs that wait for other jobs: single ones, whole arrays, child by child, and one after the other."""

import time
from itertools import pairwise

import pytest
from botocore.exceptions import ClientError

from hpc.local.batch.dependencies import DEPENDENCY_FAILED


@pytest.fixture
def gate(tmp_path):
    """A file that `waiting` jobs wait for."""
    return tmp_path / "gate"


@pytest.fixture
def waiting(batch, gate):
    """A definition whose jobs wait for the gate and then succeed."""
    return batch.define("waiting", "sh", "-c", f"until test -e {gate}; do sleep 0.02; done")


def test_a_job_is_pending_until_all_that_it_depends_on_has_succeeded(batch, gate, waiting):
    # Given two jobs that run, and one that depends on both
    first, second = batch.submit(waiting), batch.submit(waiting)
    depends_on = [{"jobId": first}, {"jobId": second}]
    job_id = batch.submit(batch.define("work", "true"), dependsOn=depends_on)
    job = batch.describe(job_id)
    assert (job["status"], job["dependsOn"]) == ("PENDING", depends_on)
    assert [
        entry["jobId"] for entry in batch.client.list_jobs(jobQueue="queue", jobStatus="PENDING")["jobSummaryList"]
    ] == [job_id]
    # When they end
    gate.touch()
    # Then it runs after them
    ended = batch.wait(job_id)
    assert ended["status"] == "SUCCEEDED"
    assert ended["startedAt"] >= max(batch.describe(other)["stoppedAt"] for other in (first, second))
    batch.service.stop()
    told = [event["status"] for event in batch.host.events if event["jobId"] == job_id]
    assert told == ["PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED"]


def test_a_dependency_that_has_succeeded_is_met(batch):
    done = batch.run("true")["jobId"]
    assert batch.wait(batch.submit("work", dependsOn=[{"jobId": done}]))["status"] == "SUCCEEDED"


def test_a_failed_dependency_fails_what_depends_on_it_and_so_on(batch):
    # Given a chain of three whose first fails
    failing = batch.submit(batch.define("failing", "sh", "-c", "sleep 0.2; exit 1"))
    second = batch.submit(batch.define("work", "true"), dependsOn=[{"jobId": failing}])
    third = batch.submit("work", dependsOn=[{"jobId": second}])
    # Then
    for job_id in (second, third):
        job = batch.wait(job_id)
        assert (job["status"], job["statusReason"], job["attempts"]) == ("FAILED", "Dependent Job failed", [])
    # And one that comes later fails as well
    assert batch.wait(batch.submit("work", dependsOn=[{"jobId": third}]))["statusReason"] == DEPENDENCY_FAILED


def test_a_dependency_that_is_terminated_counts_as_failed(batch, waiting):
    first = batch.submit(waiting)
    job_id = batch.submit(batch.define("work", "true"), dependsOn=[{"jobId": first}])
    batch.client.terminate_job(jobId=first, reason="stop")
    assert batch.wait(job_id)["statusReason"] == DEPENDENCY_FAILED


def test_a_pending_job_can_be_cancelled_and_does_not_run_later(batch, gate, waiting):
    first = batch.submit(waiting)
    job_id = batch.submit(batch.define("work", "true"), dependsOn=[{"jobId": first}])
    batch.client.cancel_job(jobId=job_id, reason="not needed")
    gate.touch()
    batch.wait(first)
    job = batch.wait(job_id)
    assert (job["status"], job["statusReason"], job["attempts"]) == ("FAILED", "not needed", [])


def test_a_job_waits_for_all_children_of_an_array(batch, gate, waiting):
    array = batch.submit(waiting, arrayProperties={"size": 3})
    job_id = batch.submit(batch.define("work", "true"), dependsOn=[{"jobId": array}])
    assert batch.describe(job_id)["status"] == "PENDING"
    gate.touch()
    ended = batch.wait(job_id)
    assert ended["startedAt"] >= max(batch.describe(f"{array}:{index}")["stoppedAt"] for index in range(3))


def test_an_array_waits_as_a_whole(batch, gate, waiting):
    first = batch.submit(waiting)
    array = batch.submit(batch.define("work", "true"), arrayProperties={"size": 3}, dependsOn=[{"jobId": first}])
    parent = batch.describe(array)
    assert (parent["status"], parent["arrayProperties"]["statusSummary"]["PENDING"]) == ("PENDING", 3)
    gate.touch()
    assert batch.wait(array)["status"] == "SUCCEEDED"


def test_an_array_fails_as_a_whole(batch):
    failing = batch.submit(batch.define("failing", "false"))
    array = batch.submit(batch.define("work", "true"), arrayProperties={"size": 3}, dependsOn=[{"jobId": failing}])
    parent = batch.wait(array)
    assert (parent["status"], parent["statusReason"]) == ("FAILED", DEPENDENCY_FAILED)
    assert parent["arrayProperties"]["statusSummary"]["FAILED"] == 3


def test_n_to_n_lets_each_child_wait_for_its_counterpart(new_batch, tmp_path):
    # Given an array whose child 0 waits for a gate and whose child 2 fails
    batch, gate = new_batch(vcpus=4), tmp_path / "gate"
    script = f"case $AWS_BATCH_JOB_ARRAY_INDEX in 0) until test -e {gate}; do sleep 0.02; done;; 2) exit 1;; esac"
    first = batch.submit(batch.define("first", "sh", "-c", script), arrayProperties={"size": 3})
    depends_on = [{"jobId": first, "type": "N_TO_N"}]
    second = batch.submit(batch.define("second", "true"), arrayProperties={"size": 3}, dependsOn=depends_on)
    # Then child 1 runs and child 2 fails while child 0 still waits
    assert batch.wait(f"{second}:1")["status"] == "SUCCEEDED"
    assert batch.wait(f"{second}:2")["statusReason"] == DEPENDENCY_FAILED
    waiting = batch.describe(f"{second}:0")
    assert (waiting["status"], waiting["dependsOn"]) == ("PENDING", [{"jobId": f"{first}:0"}])
    gate.touch()
    assert batch.wait(second)["statusReason"] == "Array Child Job failed"
    assert batch.describe(f"{second}:0")["status"] == "SUCCEEDED"
    assert batch.describe(second)["dependsOn"] == depends_on


def test_sequential_runs_one_child_after_the_other(batch):
    job_id = batch.submit(
        batch.define("work", "sleep", "0.05"), arrayProperties={"size": 4}, dependsOn=[{"type": "SEQUENTIAL"}]
    )
    assert batch.describe(f"{job_id}:3")["status"] == "PENDING"
    assert batch.wait(job_id)["status"] == "SUCCEEDED"
    children = [batch.describe(f"{job_id}:{index}") for index in range(4)]
    for earlier, later in pairwise(children):
        assert earlier["stoppedAt"] <= later["startedAt"]
        assert later["dependsOn"] == [{"jobId": earlier["jobId"]}]


@pytest.mark.usefixtures("instant_commands")
def test_a_sequence_of_ten_thousand_whose_first_fails_ends_quickly(batch):
    request = {
        "jobName": "job",
        "jobQueue": "queue",
        "jobDefinition": batch.define("work", "false"),
        "arrayProperties": {"size": 10_000},
        "dependsOn": [{"type": "SEQUENTIAL"}],
    }
    started = time.monotonic()
    job = batch.service.wait(batch.service.handle("SubmitJob", request)["jobId"], timeout_s=60)
    assert (job["status"], job["arrayProperties"]["statusSummary"]["FAILED"]) == ("FAILED", 10_000)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dependsOn": [{"jobId": "nobody"}]}, "names job 'nobody', which does not exist"),
        ({"dependsOn": [{}]}, "names job '', which does not exist"),
        ({"dependsOn": [{"jobId": "x"}] * 21}, "at most 20 entries, found 21"),
        ({"dependsOn": [{"type": "SEQUENTIAL"}]}, "SEQUENTIAL is for array jobs"),
        ({"dependsOn": [{"jobId": "JOB", "type": "N_TO_N"}]}, "N_TO_N is for array jobs"),
        (
            {"dependsOn": [{"jobId": "JOB", "type": "N_TO_N"}], "arrayProperties": {"size": 2}},
            "needs an array job of size 2, .* is no array job",
        ),
        (
            {"dependsOn": [{"jobId": "ARRAY", "type": "N_TO_N"}], "arrayProperties": {"size": 2}},
            "needs an array job of size 2, .* is of size 3",
        ),
        (
            {"dependsOn": [{"jobId": "JOB", "type": "SEQUENTIAL"}], "arrayProperties": {"size": 2}},
            "takes no jobId",
        ),
    ],
)
@pytest.mark.usefixtures("instant_commands")
def test_a_dependency_that_can_never_be_met_is_refused(batch, change, message):
    definition = batch.define("work", "true")
    known = {"JOB": batch.submit(definition), "ARRAY": batch.submit(definition, arrayProperties={"size": 3})}
    depends_on = [{key: known.get(value, value) for key, value in entry.items()} for entry in change["dependsOn"]]
    with pytest.raises(ClientError, match=message) as refusal:
        batch.submit(definition, **{**change, "dependsOn": depends_on})
    assert refusal.value.response["Error"]["Code"] == "ClientException"
