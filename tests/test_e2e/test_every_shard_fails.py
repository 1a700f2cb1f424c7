"""However many shards fail, the parent execution stays small, ends within its tries and says why."""

from __future__ import annotations

import json

import pytest

# Far below the limits of Step Functions, 25,000 events and 256 KiB.
MOST_EVENTS = 1_000
MOST_PAYLOAD_BYTES = 64 * 1024


def history(platform, run_id: str) -> list[dict]:
    arn = platform.row(run_id)["execution_arn"]["S"]
    pages = platform.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
    return [event for page in pages for event in page["events"]]


def largest_payload(events: list[dict]) -> int:
    """Bytes of the largest input or output of a state."""
    details = [value for event in events for name, value in event.items() if name.endswith("EventDetails")]
    return max(len(detail.get(name, "").encode()) for detail in details for name in ("input", "output"))


@pytest.mark.parametrize(("shards", "state"), [(60, "String_Repeat"), (300, "String_Repeat_Group")])
def test_a_run_whose_every_shard_fails_ends_after_its_tries(platform, lines_file, shards, state):
    platform.set_faults({"job_name": "*-String_Re*", "action": "exit", "exit_code": 1})
    lines_file.write_text("".join(f"line {number}\n" for number in range(shards)))
    run_id = platform.submit(lines_file, f"AllFail{shards}", 1)
    seen = platform.wait(run_id, timeout_s=300)
    # Then it has failed, and says of shards why
    assert seen["status"] == "FAILED"
    assert any("String_Repeat of shard lines.txt_00000" in reason for reason in seen["reasons"])
    # And three tries were made, the first one on Spot, the others on demand
    queues = platform.output("JobQueueArns")["graviton"]
    jobs = [job for job in platform.jobs(run_id) if f"-{state}-0" in job["jobName"]]
    assert [job["jobQueue"] for job in jobs] == [queues["first_try"], queues["next_tries"], queues["next_tries"]]
    # And the parent stayed small
    events = history(platform, run_id)
    assert len(events) < MOST_EVENTS
    assert largest_payload(events) < MOST_PAYLOAD_BYTES


def test_the_second_try_of_a_group_submits_only_the_missing_shards(platform, lines_file):
    missing = [3, 77, 149]
    platform.set_faults(
        *[
            {"job_name": f"*-String_Repeat_Group-0:{index}", "action": "exit", "exit_code": 1, "times": 1}
            for index in missing
        ]
    )
    lines_file.write_text("".join(f"line {number}\n" for number in range(150)))
    run_id = platform.submit(lines_file, "GroupAgain", 1)
    assert platform.wait(run_id)["status"] == "SUCCEEDED"
    names = [job["jobName"].split("-", 3)[3] for job in platform.jobs(run_id)]
    assert sorted(name for name in names if name.startswith("String_Repeat-")) == sorted(
        f"String_Repeat-{index}" for index in missing
    )
    assert names.count("String_Repeat_Group-0") == names.count("String_Reverse_Group-0") == 1
    assert not any(name.startswith("String_Reverse-") for name in names)
    assert (names.count("String_Repeat_Merge-0"), names.count("String_Reverse_Merge-0")) == (2, 1)


@pytest.mark.parametrize(
    "switch",
    [
        {"call": "SubmitJob", "action": "throttle", "times": 3},
        {"call": "s3:*", "action": "throttle", "rate": 0.1, "seed": 3},
        {"call": "lambda:Invoke", "action": "throttle", "times": 1},
        {"call": "lambda:Invoke", "action": "lose_answer", "times": 1},
        {"call": "lambda:Invoke", "action": "double_call"},
        {"job_name": "*", "action": "doubled_event"},
        {"job_name": "*", "action": "no_log_stream"},
    ],
    ids=lambda switch: f"{switch['action']} {switch.get('call', '')}",
)
def test_a_run_outlives_what_its_services_do(platform, lines_file, switch, request):
    platform.set_faults(switch)
    project = "".join(letter for letter in request.node.callspec.id if letter.isalnum())
    run_id = platform.submit(lines_file, project, 100)
    assert platform.wait(run_id)["status"] == "SUCCEEDED"
    # And no job more than without it: a split, ten shards a branch, two merges
    assert len(platform.jobs(run_id)) == 1 + 2 * 10 + 2, json.dumps(switch)
