"""What the reconciler asks of Batch and SQS: in as many calls as their limits want."""

from types import SimpleNamespace

import pytest

RUN_ID = "20260102-030405-abc123"
QUEUES = {"arn:graviton": "graviton", "arn:x86": "x86"}


@pytest.fixture
def access(modules):
    return modules.platform_access.Access(None, "https://queue", QUEUES, [])


@pytest.fixture
def answer_with(modules, monkeypatch):
    """Puts a client made of functions in the place of every service's."""

    def put(**calls):
        monkeypatch.setattr(modules.platform_access, "client", lambda _: SimpleNamespace(**calls))

    return put


@pytest.mark.parametrize(("number", "calls"), [(0, []), (1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])])
def test_at_most_a_hundred_jobs_are_described_at_once(access, answer_with, number, calls):
    asked = []

    def describe_jobs(*, jobs):
        asked.append(len(jobs))
        return {"jobs": [{"jobId": job} for job in jobs]}

    answer_with(describe_jobs=describe_jobs)
    ids = [f"array:{child}" for child in range(number)]
    assert [job["jobId"] for job in access.describe_jobs(iter(ids))] == ids
    assert asked == calls


@pytest.mark.parametrize(("architecture", "queues"), [(None, ["arn:graviton", "arn:x86"]), ("x86", ["arn:x86"])])
def test_a_runs_jobs_are_listed_on_the_queues_that_it_may_use(access, answer_with, architecture, queues):
    asked = []

    def paginate(*, jobQueue, filters):
        asked.append(jobQueue)
        assert filters == [{"name": "JOB_NAME", "values": [f"{RUN_ID}-*"]}]
        # A job that starts between two pages is on both.
        later, sooner = ({"jobId": f"{jobQueue} {name}", "createdAt": at} for name, at in (("b", 2), ("a", 1)))
        return [{"jobSummaryList": [later]}, {"jobSummaryList": [later, sooner]}]

    answer_with(get_paginator=lambda name: SimpleNamespace(paginate=paginate) if name == "list_jobs" else None)
    found = access.list_jobs(RUN_ID, architecture)
    assert asked == queues
    assert [job["jobId"] for job in found] == [f"{queue} {name}" for name in "ab" for queue in queues]


def test_messages_are_sent_ten_at_a_time_and_one_that_is_not_taken_is_an_error(access, answer_with):
    sent = []

    def send_message_batch(*, QueueUrl, Entries):
        assert QueueUrl == "https://queue"
        sent.append(len(Entries))
        return {"Failed": [{"Id": "0"}]} if len(Entries) < 10 else {}

    answer_with(send_message_batch=send_message_batch)
    access.send([{"number": number} for number in range(20)])
    assert sent == [10, 10]
    with pytest.raises(ValueError, match="SQS did not take 1 messages"):
        access.send([{"number": 1}])
