"""Runs through the API: from submit to results, in pages, cancelled, resumed; real signatures, real runs."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import urllib3

from tests.test_e2e.conftest import wait_until
from tests.test_e2e.expected import repeated, reversed_by_characters
from tests.test_e2e.test_api.conftest import TEXT


def test_from_the_list_of_workflows_to_fetched_results(api, platform, project, parameters):
    # Given a workflow that describes its own form
    (workflow,) = api.get("/workflows").document["workflows"]
    assert workflow["name"] == "string_processing"
    assert workflow["upload"] == {
        "prefix": "uploads/",
        "bucket_parameter": "INPUT_BUCKET",
        "key_parameter": "INPUT_KEY",
    }
    assert workflow["parameters"]["required"] == ["ProjectNo", "INPUT_BUCKET", "INPUT_KEY", "SPLIT_NUM"]
    assert workflow["steps"][1] == {
        "state": "String_Repeat", "title": "Repeat lines", "fan_out": True, "after": ["String_Split"],
    }  # fmt: skip
    # When it is tried dry, nothing starts, and what a run would get is filled in
    body = {"workflow": "string_processing", "parameters": parameters}
    dry = api.post("/runs?dry_run=true", body)
    filled_in = {**parameters, "OUTPUT_BUCKET": parameters["INPUT_BUCKET"], "architecture": "graviton"}
    assert (dry.status, dry.document["parameters"]) == (200, filled_in)
    assert 0 < dry.document["estimate"]["cost_usd"]["low"] < dry.document["estimate"]["cost_usd"]["high"]
    # And when it is submitted, the run goes to its end
    submitted = api.submit(parameters)
    assert submitted.status == 201
    run_id = submitted.document["run_id"]
    assert submitted.document["owner"] == "arn:aws:iam::000000000000:user/owner"
    early = api.get(f"/runs/{run_id}/results")
    assert (early.status, early.fields) == (409, [])
    run = api.wait(run_id)
    assert run["status"] == "SUCCEEDED", run
    assert [(step["state"], step["succeeded"], step["total"]) for step in run["steps"]] == [
        ("String_Split", 1, 1), ("String_Repeat", 2, 2), ("String_Reverse", 2, 2),
        ("String_Repeat_Merge", 1, 1), ("String_Reverse_Merge", 1, 1),
    ]  # fmt: skip
    # Then the command line sees the same run
    seen = platform.show(run_id)
    assert {name: seen[name] for name in run if name != "steps"} == {n: run[n] for n in run if n != "steps"}
    # And what it cost is told beside what was expected, for the seven jobs that it had
    wait_until(lambda: "7 attempts ran" in " ".join(api.get(f"/runs/{run_id}/cost").document["notes"]))
    cost = api.get(f"/runs/{run_id}/cost").document
    assert 0 < cost["on_demand_usd"]["low"] < cost["cost_usd"]["low"] <= cost["cost_usd"]["high"] < 1
    assert cost["estimate"]["cost_usd"]["low"] > 0
    assert cost["estimate_error"] == 0
    # And its tasks come in pages, with their logs
    first = api.get(f"/runs/{run_id}/tasks?limit=4").document
    rest = api.get(f"/runs/{run_id}/tasks?limit=4&next={first['next']}").document
    assert ([t["state"] for t in first["tasks"]], len(rest["tasks"]), rest["next"]) == (
        ["String_Split", "String_Repeat", "String_Repeat", "String_Reverse"], 3, None,
    )  # fmt: skip
    only = api.get(f"/runs/{run_id}/tasks?state=String_Reverse&status=SUCCEEDED").document["tasks"]
    assert [(task["state"], task["index"], task["attempts"]) for task in only] == [
        ("String_Reverse", 0, 1), ("String_Reverse", 1, 1),
    ]  # fmt: skip
    log = api.get(f"/runs/{run_id}/tasks/String_Split-0/log").document
    assert (log["truncated"], bool(log["lines"])) == (False, True)
    assert set(log["lines"][0]) == {"time", "text"}
    # And its results can be fetched by their URLs, and by nobody who changes them
    results = api.get(f"/runs/{run_id}/results").document["results"]
    fetched = {result["name"]: urllib3.request("GET", result["url"]) for result in results}
    assert {name: answer.data for name, answer in fetched.items()} == {
        "repeat": repeated(TEXT), "reverse": reversed_by_characters(TEXT),
    }  # fmt: skip
    assert [result["bytes"] for result in results] == [len(answer.data) for answer in fetched.values()]
    assert fetched["repeat"].headers["Content-Disposition"].startswith("attachment; ")
    other_key = results[0]["url"].replace("Repeat_Merge/repeat", "Reverse_Merge/reverse")
    assert urllib3.request("GET", other_key).status == 403


def test_two_hundred_submissions_at_once_with_one_key_start_one_run(api, platform, parameters):
    # When one request is sent two hundred times at once, as often as it takes until none is throttled
    def send(_: int):
        while (answer := api.submit(parameters, key="the-same")).status == 429:
            time.sleep(1)
        return answer

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(send, range(200)))
    # Then one of them starts the run, and all the others are given it
    assert sorted(answer.status for answer in answers) == [200] * 199 + [201]
    (run_id,) = {answer.document["run_id"] for answer in answers}
    project = parameters["ProjectNo"]
    runs = api.get("/runs?limit=100").document["runs"]
    assert [run["run_id"] for run in runs if run["project"] == project] == [run_id]
    machine = platform.output("StateMachineArns")["string_processing"]
    executions = platform.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    assert [found["name"] for found in executions if found["name"].startswith(run_id)] == [f"{run_id}-1"]
    # And the key is not good for anything else
    other = api.submit({**parameters, "SPLIT_NUM": 21}, key="the-same")
    assert (other.status, other.fields) == (422, ["Idempotency-Key"])
    assert api.wait(run_id)["status"] == "SUCCEEDED"


def test_a_run_is_cancelled_and_goes_on(api, platform, parameters):
    platform.set_faults({"job_name": "*-String_Reverse-1", "times": "all", "action": "hang"})
    run_id = api.submit(parameters).document["run_id"]
    wait_until(lambda: any(job["jobName"] == f"{run_id}-String_Reverse-1" for job in platform.jobs(run_id)))
    # When it is cancelled, its jobs end too
    asked = api.post(f"/runs/{run_id}/cancel")
    assert (asked.status, asked.document["run_id"]) == (202, run_id)
    assert api.wait(run_id)["status"] == "CANCELLED"
    wait_until(lambda: all(job["status"] in ("SUCCEEDED", "FAILED") for job in platform.jobs(run_id)))
    # And it goes on, with what is missing only
    platform.set_faults()
    resumed = api.post(f"/runs/{run_id}/resume")
    assert (resumed.status, resumed.document["resumes"]) == (202, 1), resumed
    assert api.wait(run_id)["status"] == "SUCCEEDED"
    jobs = [job["jobName"].removeprefix(f"{run_id}-") for job in platform.jobs(run_id)]
    assert jobs.count("String_Split-0") == 1
    assert jobs.count("String_Reverse-1") == 2
    again = api.post(f"/runs/{run_id}/resume")
    assert again.status == 409


def test_runs_come_newest_first_in_pages(api, parameters, project):
    # Given three runs, of projects of their own
    ids = [api.submit({**parameters, "ProjectNo": f"{project}-{n}"}).document["run_id"] for n in range(3)]
    # When they are read one by one
    seen, token = [], ""
    while len(seen) < 3:
        page = api.get(f"/runs?limit=1{token}").document
        seen += [run["run_id"] for run in page["runs"]]
        token = f"&next={page['next']}"
    # Then the newest is first
    assert seen == ids[::-1]
    day = f"{ids[0][:4]}-{ids[0][4:6]}-{ids[0][6:8]}"
    assert set(ids) <= {run["run_id"] for run in api.get(f"/runs?limit=100&day={day}").document["runs"]}
    assert api.get("/runs?day=2000-01-01").document == {"runs": [], "next": None}
    assert api.get("/runs?workflow=other").document["runs"] == []
    for run_id in ids:
        api.wait(run_id)
    found = api.get("/runs?limit=100&status=SUCCEEDED").document["runs"]
    assert set(ids) <= {run["run_id"] for run in found}


def test_every_call_leaves_a_line_in_the_access_log(api, platform):
    api.get("/runs/20260101-000000-abcdef")
    api.call("GET", "/workflows", is_signed=False)
    logs = platform.client("logs")
    (group,) = [
        found["logGroupName"]
        for found in logs.describe_log_groups()["logGroups"]
        if "AccessLogs" in found["logGroupName"]
    ]
    events = logs.filter_log_events(logGroupName=group)["events"]
    lines = [json.loads(event["message"]) for event in events]
    called = [(line["method"], line["path"], line["status"], line["caller"]) for line in lines]
    assert ("GET", "/v1/runs/20260101-000000-abcdef", "404", "arn:aws:iam::000000000000:user/owner") in called
    assert ("GET", "/v1/workflows", "403", "-") in called
