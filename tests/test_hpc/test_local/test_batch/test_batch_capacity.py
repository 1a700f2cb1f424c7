"""Which job runs when: the laptop's vCPUs and memory, environments' vCPUs, order, priority, blocked queues."""

import random
import time
from itertools import pairwise

import pytest

STUCK = (
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - "
    "CE(s) associated with the job queue cannot meet the CPU requirement of the job."
)


def started_in_order(batch, ids):
    jobs = [batch.wait(job_id) for job_id in ids]
    return [job["jobName"] for job in sorted(jobs, key=lambda job: job["startedAt"])]


def peaks(folder, sizes):
    """The most vCPUs and memory that ran at once, from the nanoseconds that the jobs themselves wrote."""
    changes = []
    for file in folder.iterdir():
        vcpus, memory_mib = sizes[file.name]
        start, end = map(int, file.read_text().split())
        changes += [(start, vcpus, memory_mib), (end, -vcpus, -memory_mib)]
    vcpus = memory_mib = most_vcpus = most_memory_mib = 0
    for _, more_vcpus, more_memory_mib in sorted(changes):
        vcpus, memory_mib = vcpus + more_vcpus, memory_mib + more_memory_mib
        most_vcpus, most_memory_mib = max(most_vcpus, vcpus), max(most_memory_mib, memory_mib)
    return most_vcpus, most_memory_mib


@pytest.mark.parametrize(("vcpus", "memory_mib"), [(4, 100_000), (100, 1000)], ids=["vcpus", "memory"])
def test_what_runs_at_once_never_exceeds_the_laptop_and_fills_it(new_batch, tmp_path, vcpus, memory_mib):
    # Given jobs of random sizes that record when they started and stopped
    batch = new_batch(vcpus=vcpus, memory_mib=memory_mib)
    folder = tmp_path / "times"
    folder.mkdir()
    script = 'a=$(date +%s%N); sleep 0.05; echo "$a $(date +%s%N)" > "$1/$2"'
    definition = batch.define("work", "sh", "-c", script, "sh", str(folder), "Ref::name")
    chance = random.Random(1)
    sizes = {f"job-{number}": (chance.randint(1, 3), chance.choice([100, 300, 700])) for number in range(40)}
    # When
    ids = [
        batch.submit(
            definition,
            name,
            parameters={"name": name},
            containerOverrides={
                "resourceRequirements": [{"type": "VCPU", "value": str(v)}, {"type": "MEMORY", "value": str(m)}]
            },
        )
        for name, (v, m) in sizes.items()
    ]
    assert {batch.wait(job_id)["status"] for job_id in ids} == {"SUCCEEDED"}
    # Then
    most_vcpus, most_memory_mib = peaks(folder, sizes)
    assert most_vcpus <= vcpus
    assert most_memory_mib <= memory_mib
    assert most_vcpus == 4 if vcpus == 4 else most_memory_mib >= 800


def test_a_job_that_asks_for_more_than_the_laptop_has_runs_alone(batch):
    small = batch.submit(batch.define("small", "sleep", "0.2"), "small")
    large = batch.submit(batch.define("large", "sleep", "0.2", vcpus="64", memory_mib="500000"), "large")
    later = batch.submit(batch.define("small", "true"), "later")
    first, middle, last = (batch.wait(job_id) for job_id in (small, large, later))
    assert middle["status"] == "SUCCEEDED"
    assert {"type": "VCPU", "value": "64"} in middle["container"]["resourceRequirements"]
    assert first["stoppedAt"] <= middle["startedAt"] <= middle["stoppedAt"] <= last["startedAt"]


def test_a_queue_is_first_come_first_served(new_batch):
    batch = new_batch(vcpus=1)
    definition = batch.define("work", "sleep", "0.02")
    names = [f"job-{number}" for number in range(8)]
    assert started_in_order(batch, [batch.submit(definition, name) for name in names]) == names


def test_a_large_job_is_not_overtaken_by_small_ones_behind_it(batch):
    running = batch.submit(batch.define("work", "sleep", "0.3"), "running")
    large = batch.submit(batch.define("large", "sleep", "0.02", vcpus="2"), "large")
    small = batch.submit(batch.define("work", "sleep", "0.02"), "small")
    assert started_in_order(batch, [running, large, small]) == ["running", "large", "small"]


def test_nor_by_small_ones_of_another_queue(batch):
    batch.add_queue("urgent", priority=10)
    running = batch.submit(batch.define("work", "sleep", "0.3"), "running")
    large = batch.submit(batch.define("large", "sleep", "0.02", vcpus="2"), "large", "urgent")
    small = batch.submit(batch.define("work", "sleep", "0.02"), "small")
    assert started_in_order(batch, [running, large, small]) == ["running", "large", "small"]


def test_the_queue_of_higher_priority_goes_first(new_batch):
    batch = new_batch(vcpus=1)
    batch.add_queue("urgent", priority=10)
    definition = batch.define("work", "sleep", "0.05")
    ids = [batch.submit(definition, "running"), batch.submit(definition, "low-1"), batch.submit(definition, "low-2")]
    ids += [batch.submit(definition, "high-1", "urgent"), batch.submit(definition, "high-2", "urgent")]
    assert started_in_order(batch, ids) == ["running", "high-1", "high-2", "low-1", "low-2"]


def test_queues_that_share_an_environment_are_served_by_priority(new_batch):
    # Given two queues on one environment that has room for one job
    batch = new_batch(vcpus=8)
    batch.add_queue("low", max_vcpus=1)
    order = [{"order": 1, "computeEnvironment": "low-environment"}]
    batch.client.create_job_queue(jobQueueName="high", priority=5, computeEnvironmentOrder=order)
    definition = batch.define("work", "sleep", "0.05")
    # When the low one has jobs first
    ids = [batch.submit(definition, f"low-{number}", "low") for number in range(3)]
    ids += [batch.submit(definition, f"high-{number}", "high") for number in range(2)]
    # Then only the one that runs already is before those of the high one
    assert started_in_order(batch, ids) == ["low-0", "high-0", "high-1", "low-1", "low-2"]


def test_queues_of_one_priority_share_one_order(new_batch):
    batch = new_batch(vcpus=1)
    batch.add_queue("other")
    definition = batch.define("work", "sleep", "0.02")
    ids = [batch.submit(definition, f"job-{number}", ("queue", "other")[number % 2]) for number in range(6)]
    assert started_in_order(batch, ids) == [f"job-{number}" for number in range(6)]


def test_a_retried_job_keeps_its_place(new_batch):
    batch = new_batch(vcpus=1)
    failing = batch.define("failing", "sh", "-c", "sleep 0.02; exit 1", retryStrategy={"attempts": 2})
    first, second = batch.submit(failing), batch.submit(batch.define("work", "true"))
    assert batch.wait(first)["attempts"][-1]["startedAt"] <= batch.wait(second)["startedAt"]


def test_a_job_larger_than_every_environment_stays_runnable_and_blocks_only_its_queue(batch):
    # Given a queue that can take 4 vCPUs
    batch.add_queue("small", max_vcpus=4)
    stuck = batch.submit(batch.define("large", "true", vcpus="5"), queue="small")
    behind = batch.submit(batch.define("work", "true"), queue="small")
    other = batch.submit("work")
    assert batch.wait(other)["status"] == "SUCCEEDED"
    assert (batch.describe(stuck)["status"], batch.describe(stuck)["statusReason"]) == ("RUNNABLE", STUCK)
    assert batch.describe(behind)["status"] == "RUNNABLE"
    # When the environment grows
    batch.client.update_compute_environment(computeEnvironment="small-environment", computeResources={"maxvCpus": 5})
    # Then both run
    assert batch.wait(stuck)["status"] == batch.wait(behind)["status"] == "SUCCEEDED"


def test_a_queue_s_time_limit_cancels_the_job_that_blocks_it(batch):
    reason = "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE"
    limit = {"reason": reason, "state": "RUNNABLE", "maxTimeSeconds": 600, "action": "CANCEL"}
    batch.add_queue("small", max_vcpus=4, jobStateTimeLimitActions=[limit])
    # Given that the 600 seconds last half a second
    batch.service.queues.find("small")["jobStateTimeLimitActions"][0]["maxTimeSeconds"] = 0.5
    stuck = batch.submit(batch.define("large", "true", vcpus="5"), queue="small")
    behind = batch.submit(batch.define("work", "true"), queue="small")
    job = batch.wait(stuck)
    assert (job["status"], job["isCancelled"]) == ("FAILED", True)
    assert job["statusReason"] == f"Canceled by JobStateTimeLimit action due to reason: {reason}"
    assert batch.wait(behind)["status"] == "SUCCEEDED"


def test_an_environment_s_vcpus_are_held_even_when_the_laptop_has_more(new_batch):
    batch = new_batch(vcpus=8)
    batch.add_queue("narrow", max_vcpus=1)
    definition = batch.define("work", "sleep", "0.1")
    ids = [batch.submit(definition, queue="narrow") for _ in range(3)]
    jobs = [batch.wait(job_id) for job_id in ids]
    for earlier, later in pairwise(jobs):
        assert earlier["stoppedAt"] <= later["startedAt"]


def test_a_disabled_environment_yields_to_the_next_and_waits_when_it_is_the_last(batch):
    batch.add_queue("second")
    batch.client.update_job_queue(
        jobQueue="queue",
        computeEnvironmentOrder=[
            {"order": 1, "computeEnvironment": "queue-environment"},
            {"order": 2, "computeEnvironment": "second-environment"},
        ],
    )
    definition = batch.define("work", "sh", "-c", "echo $AWS_BATCH_CE_NAME $AWS_BATCH_JQ_NAME")
    assert batch.log(batch.wait(batch.submit(definition))["container"]) == ["queue-environment queue"]
    batch.client.update_compute_environment(computeEnvironment="queue-environment", state="DISABLED")
    assert batch.log(batch.wait(batch.submit(definition))["container"]) == ["second-environment queue"]
    batch.client.update_compute_environment(computeEnvironment="second-environment", state="DISABLED")
    waiting = batch.submit(definition)
    time.sleep(0.2)
    assert batch.describe(waiting)["status"] == "RUNNABLE"
    batch.client.update_compute_environment(computeEnvironment="queue-environment", state="ENABLED")
    assert batch.wait(waiting)["status"] == "SUCCEEDED"


def test_many_jobs_stay_fast_and_the_oldest_are_forgotten(new_batch):
    # Given a service that remembers 500 finished jobs
    batch = new_batch(vcpus=4, max_final_jobs=500)
    batch.set_faults({"job_name": "*", "action": "exit", "exit_code": 0})
    definition = batch.define("work", "true")
    queue = {"jobName": "job", "jobQueue": "queue", "jobDefinition": definition}
    # When 2,000 jobs run
    started = time.monotonic()
    ids = [batch.service.handle("SubmitJob", queue)["jobId"] for _ in range(2000)]
    assert batch.service.wait(ids[-1], timeout_s=30)["status"] == "SUCCEEDED"
    seconds = time.monotonic() - started
    # Then
    assert seconds < 15
    for job_id in ids[-4:]:
        batch.wait(job_id)
    assert batch.client.describe_jobs(jobs=ids[:1])["jobs"] == []
    pages = batch.client.get_paginator("list_jobs").paginate(jobQueue="queue", jobStatus="SUCCEEDED")
    assert sum(len(page["jobSummaryList"]) for page in pages) == 500
