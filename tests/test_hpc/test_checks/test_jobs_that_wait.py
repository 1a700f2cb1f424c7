"""Jobs that wait: for what Batch names, or for others to end."""

import pytest

from hpc.checks import load, waiting
from hpc.checks.load import Load, loads
from hpc.checks.queue_jobs import QueueJobs, WaitingJob, read_queue_jobs
from hpc.checks.run_jobs import read_run_jobs, said


@pytest.mark.parametrize(
    ("reason", "sentence", "fix"),
    [
        ("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service", "waits for Spot and on-demand capacity", "Families"),
        ("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE", "asks for more than any", "gravitonMaxVcpus"),
        ("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job", "asks for more than any", "lower vcpus"),
        ("MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS - Batch", "service role may not", "create-service-linked-role"),
        ("UNDETERMINED - Batch job is blocked", "waits; Batch says: UNDETERMINED", "job_stuck_in_runnable"),
    ],
)
def test_what_batch_s_reasons_mean(queue, reason, sentence, fix):
    found = waiting.find(WaitingJob("R1-String_Split-0", queue(), reason))
    assert found.sentence.startswith("Job R1-String_Split-0 in the queue first (graviton, first try) ")
    assert sentence in found.sentence
    assert reason in found.sentence
    assert fix in found.fix


@pytest.mark.parametrize("reason", ["", "Host EC2 (instance i-1) terminated."])
def test_a_job_that_waits_its_turn_is_no_finding(queue, reason):
    assert waiting.find(WaitingJob("a", queue(), reason)) is None


def test_a_job_that_was_given_up_tells_the_same(queue):
    reason = "Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
    assert waiting.known(WaitingJob("a", queue(), reason)) is not None
    assert waiting.known(WaitingJob("a", queue(), "Essential container in task exited")) is None


def test_an_image_that_cannot_be_pulled_is_told_while_batch_tries_again():
    attempt = {"container": {"reason": "CannotPullContainerError: not found"}, "statusReason": "Task failed to start"}
    assert said({"status": "RUNNABLE", "statusReason": "x", "attempts": [attempt]}) == attempt["container"]["reason"]
    assert said({"status": "FAILED", "statusReason": "x", "container": {"reason": "y"}, "attempts": []}) == "x; y"


def test_the_newest_jobs_of_a_run_that_have_not_succeeded_tell(aws, answers, queue):
    def summary(job_id, task, status, created_at):
        return {"jobId": job_id, "jobName": f"R1-{task}", "status": status, "createdAt": created_at}

    def asked(task):
        return {"jobQueue": task, "filters": [{"name": "JOB_NAME", "values": ["R1-*"]}]}

    listed = [summary("a", "String_Split-0", "SUCCEEDED", 1), summary("b", "String_Repeat-0", "FAILED", 2)]
    listed += [summary("c", "String_Repeat-0", "RUNNABLE", 3), summary("d", "String_Reverse-1", "FAILED", 4)]
    pulled = {"container": {"reason": "CannotPullContainerError: no"}}
    details = [
        {**summary("c", "String_Repeat-0", "RUNNABLE", 3), "attempts": [pulled]},
        {**summary("d", "String_Reverse-1", "FAILED", 4), "statusReason": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"},
    ]
    for detail in details:
        detail |= {"jobQueue": "arn:aws:batch:us-east-1:1:job-queue/second", "startedAt": 0, "jobDefinition": "x"}
    batch = answers("batch")
    batch.add_response("list_jobs", {"jobSummaryList": []}, asked("first"))
    batch.add_response("list_jobs", {"jobSummaryList": listed}, asked("second"))
    batch.add_response("describe_jobs", {"jobs": details}, {"jobs": ["c", "d"]})
    second = queue(name="second", architecture="x86")
    assert list(read_run_jobs(aws, "R1", [queue(), second])) == [
        WaitingJob("R1-String_Repeat-0", second, "CannotPullContainerError: no"),
        WaitingJob("R1-String_Reverse-1", second, "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"),
    ]


@pytest.mark.parametrize(
    ("waits", "running_vcpus", "is_found"), [(3, 64, True), (3, 63, True), (3, 62, False), (0, 64, False)]
)
def test_a_queue_is_full_when_the_next_job_has_no_room(waits, running_vcpus, is_found):
    found = load.find(Load("this machine", waits, 2, 30, running_vcpus, 64, "or end others"))
    assert (found is not None) is is_found


def test_a_job_that_waits_alone_waits_for_something_else():
    assert load.find(Load("this machine", 1, 65, 0, 0, 64, "or end others")) is None


def test_a_queue_counts_what_can_only_be_in_its_environments(queue, environment):
    spot, on_demand = environment(), environment(name="on-demand", kind="EC2", max_vcpus=64)
    first = QueueJobs(queue(spot, on_demand), 1, (), 2, 10, 20)
    others = QueueJobs(queue(on_demand, name="others", use="next_tries"), 1, (), 1, 5, 7)
    made = loads([first, others], machine_vcpus=8)
    assert [(each.waiting, each.next_vcpus, each.running_vcpus, each.most_vcpus) for each in made] == [
        (1, 2, 27, 256),
        (1, 1, 7, 64),
        (2, 1, 27, 8),
    ]


def test_children_of_array_jobs_wait_and_run_too(aws, answers, queue):
    def listed(**of):
        return {"jobQueue": "first", **of}

    def summaries(*ids, **more):
        return {"jobSummaryList": [{"jobId": each, "jobName": "g", "createdAt": 1, **more} for each in ids]}

    asked = {"resourceRequirements": [{"type": "VCPU", "value": "2"}]}
    common = {"jobName": "g", "jobQueue": "q", "startedAt": 1, "jobDefinition": "d", "container": asked}
    summary = {"RUNNABLE": 2, "STARTING": 1, "RUNNING": 3}
    array = {**common, "jobId": "a", "status": "PENDING", "arrayProperties": {"size": 6, "statusSummary": summary}}
    batch = answers("batch")
    batch.add_response("list_jobs", summaries(), listed(jobStatus="RUNNABLE"))
    batch.add_response("list_jobs", summaries(), listed(jobStatus="STARTING"))
    batch.add_response("list_jobs", summaries("b"), listed(jobStatus="RUNNING"))
    batch.add_response("list_jobs", summaries("a", arrayProperties={"size": 6}), listed(jobStatus="PENDING"))
    batch.add_response("describe_jobs", {"jobs": [array]}, {"jobs": ["a"]})
    children = summaries("a:0", "a:1", statusReason="CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - x")
    batch.add_response("list_jobs", children, {"arrayJobId": "a", "jobStatus": "RUNNABLE"})
    batch.add_response("describe_jobs", {"jobs": [{**common, "jobId": "b", "status": "RUNNING"}]}, {"jobs": ["b"]})
    batch.add_response("describe_jobs", {"jobs": [{**common, "jobId": "a:0", "status": "RUNNABLE"}]}, {"jobs": ["a:0"]})
    seen = read_queue_jobs(aws, queue())
    assert (seen.waiting, seen.next_vcpus, seen.running, seen.running_vcpus) == (2, 2, 5, 10)
    assert len(seen.blocked) == 2
