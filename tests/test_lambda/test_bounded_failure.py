"""A run whose shards fail, through the loop of the state machine: how often it tries, what, where; how large it gets.

Job_Map and Check_Output are called as the definition says, between them the jobs leave what failing jobs leave. S3 is a
dict: ten thousand shards would take minutes of loopback otherwise.
"""

import json
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest

STATES = json.loads((Path(__file__).parents[2] / "workflows/string_processing/definition.asl.json").read_text("utf-8"))[
    "States"
]
SHARD_STATES = ("String_Repeat", "String_Reverse")
SHARDS = 10_000
REASON = "S3 did not answer in time: found 503 Slow Down for the 8th time, expected the shard; this is its reason"
MAX_STATE_BYTES = 64 * 1024


class Body(BytesIO):
    def iter_chunks(self, size):
        while chunk := self.read(size):
            yield chunk


class S3:
    """What the functions use of S3's client, over a run's objects."""

    def __init__(self, objects):
        self._objects = objects

    def get_paginator(self, operation):
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket, Prefix):
        now = datetime.now(UTC)
        found = [(key, text) for key, text in self._objects.items() if key.startswith(Prefix)]
        yield {"Contents": [{"Key": key, "Size": len(text), "LastModified": now} for key, text in found]}

    def get_object(self, *, Bucket, Key):
        return {"Body": Body(self._objects[Key])}

    def put_object(self, *, Bucket, Key, Body, **_):
        self._objects[Key] = Body


class Rows:
    """What Job_Map uses of DynamoDB's client; counts the rows of each call."""

    def __init__(self):
        self.calls = []

    def transact_write_items(self, *, TransactItems):
        self.calls.append(len(TransactItems))


class Machine:
    """The loop from Job_Map to Is_Complete, on the state that it keeps."""

    def __init__(self, functions, run, group_above, rows):
        self._functions = functions
        self.rows = rows
        self._run = run
        event = run.job_map_event()
        self.state = {
            "run": {
                **{name: event[name] for name in ("run_id", "queues", "made_since", "resumes")},
                "workflow": "string_processing",
                "ProjectNo": event["project"],
                "INPUT_KEY": event["input_key"],
                "OUTPUT_BUCKET": event["bucket"],
                "max_attempts": 3,
            },
            "map": {"attempt": 0},
        }
        self._group_above = group_above
        self.largest = 0
        self.tries = []

    def go(self, work):
        """Tries until the machine would stop; `work(to_do)` does a try's jobs, `to_do` are shard numbers by state."""
        while True:
            self._call("Job_Map", "map")
            to_do = {state: self._to_do(branch) for state, branch in self.state["map"]["branches"].items()}
            self.tries.append((self.state["map"]["queue"], {state: len(numbers) for state, numbers in to_do.items()}))
            work(to_do)
            self._call("Check_Output", "check")
            if not self._goes_on():
                return self.state["check"]

    def _call(self, name, place):
        task = STATES[name]
        event = self._filled_in(task["Parameters"]["Payload"], self.state)
        answer = {"Payload": self._functions[name](event, None)}
        self.state[place] = self._filled_in(task["ResultSelector"], answer)
        self.largest = max(self.largest, len(json.dumps(self.state, ensure_ascii=False).encode()))

    def _filled_in(self, template, state):
        if not isinstance(template, dict):
            return self._group_above if template == "${GroupAbove}" else template
        filled = {}
        for key, part in template.items():
            if part == "$$.State.EnteredTime":
                filled[key.removesuffix(".$")] = datetime.now(UTC).isoformat()
            elif key.endswith(".$"):
                value = state
                for name in part.removeprefix("$.").split("."):
                    value = value[name]
                filled[key.removesuffix(".$")] = value
            else:
                filled[key] = self._filled_in(part, state)
        return filled

    def _to_do(self, branch):
        items = json.loads(self._run.objects[branch["manifest_key"]])
        listed = self._run.objects.get(branch["shard_list_key"], b"").split()
        if branch["shard_list_key"].endswith(".all"):
            listed = range(branch["shards_total"])
        numbers = []
        for item in items:
            grouped = [int(number) for number in listed[item["offset"] : item["offset"] + item["size"]]]
            numbers += grouped if item["size"] > 1 else [item["index"]]
        return numbers

    def _goes_on(self):
        (way,) = STATES["Is_Complete"]["Choices"]
        assert way["Next"] == "Failed"
        assert [test["Variable"] for test in way["And"]] == [
            "$.check.OutputStatus",
            "$.check.permanent",
            "$.map.attempt",
        ]
        check, attempt = self.state["check"], self.state["map"]["attempt"]
        return check["OutputStatus"] == "FAILED" and not check["permanent"] and attempt < 3


@pytest.fixture
def machine(mapping, check, monkeypatch):
    """A machine for a run, whose functions see the run's objects."""

    def make(run, group_above=1000):
        clients = {"s3": S3(run.objects), "dynamodb": Rows()}
        for module in (mapping.job_map, check.check_output):
            monkeypatch.setattr(module.boto3, "client", lambda service, **_: clients[service])
        functions = {"Job_Map": mapping.job_map.handler, "Check_Output": check.check_output.handler}
        return Machine(functions, run, group_above, clients["dynamodb"])

    return make


@pytest.fixture
def split_run(make_run):
    """A run after its split, and a function that makes shards (not those in `failing`) and merges as jobs do."""

    def make(shards, *, permanent=False):
        run = make_run([b"x\n"] * shards, lines_per_shard=1)
        complete = dict(run.objects)
        run.objects = {key: text for key, text in complete.items() if "/String_Split" in key}

        def work(to_do, failing):
            for state, numbers in to_do.items():
                prefix, merge = state.removeprefix("String_").lower(), f"{state}_Merge"
                failed = {number: (REASON, permanent) for number in numbers if number in failing}
                for shard in (run.shards[number] for number in numbers if number not in failed):
                    for key in (f"result/Project1/{state}/{prefix}_{shard}", run.record_key(f"{state}/{shard}.json")):
                        run.objects[key] = complete[key]
                if failed:
                    run.fail_shards(state, failed)
                    continue
                for key in (
                    f"result/Project1/{merge}/{prefix}_{run.file}_merge",
                    run.record_key(f"{merge}.json"),
                ):
                    run.objects[key] = complete[key]

        return run, work

    return make


@pytest.mark.parametrize("group_above", [1000, 10_000])
def test_given_10000_shards_that_all_fail_then_the_state_stays_small_and_the_tries_are_counted(
    machine, split_run, group_above
):
    run, work = split_run(SHARDS)
    loop = machine(run, group_above)

    outcome = loop.go(lambda to_do: work(to_do, failing=range(SHARDS)))

    everything = dict.fromkeys(SHARD_STATES, SHARDS)
    assert loop.tries == [("arn:first", everything), ("arn:next", everything), ("arn:next", everything)]
    assert loop.largest < MAX_STATE_BYTES
    # A group's row and a merge's for each branch, or as many as one call makes at most.
    assert [sum(loop.rows.calls), max(loop.rows.calls)] == ([12, 4] if group_above == 1000 else [30_000, 100])
    assert (outcome["OutputStatus"], outcome["permanent"], outcome["reason_count"]) == ("FAILED", False, 2 * SHARDS)
    assert outcome["reasons"][0] == f"String_Repeat of shard lines.txt_00000 failed: {REASON}"
    assert (
        "no further try, this was the last of 3. Correct what is named above, then go on: hpc resume"
        in (outcome["message"])
    )


def test_given_failures_that_no_try_can_change_then_there_is_one_try(machine, split_run):
    run, work = split_run(50, permanent=True)
    loop = machine(run)

    outcome = loop.go(lambda to_do: work(to_do, failing={3, 7}))

    assert loop.tries == [("arn:first", dict.fromkeys(SHARD_STATES, 50))]
    assert (outcome["OutputStatus"], outcome["permanent"], outcome["reason_count"]) == ("FAILED", True, 4)
    assert "no further try, another one would not change this" in outcome["message"]


@pytest.mark.parametrize("group_above", [1, 1000])
def test_given_some_shards_that_fail_once_then_the_second_try_has_only_these_and_runs_on_demand(
    machine, split_run, group_above
):
    run, work = split_run(50)
    loop = machine(run, group_above)
    worked = []

    def fail_once(to_do):
        worked.append(to_do)
        work(to_do, failing={3, 7, 49} if len(worked) == 1 else set())

    outcome = loop.go(fail_once)

    assert worked[1] == {"String_Repeat": [3, 7, 49], "String_Reverse": [3, 7, 49]}
    assert [queue for queue, _ in loop.tries] == ["arn:first", "arn:next"]
    assert (outcome["OutputStatus"], outcome["reason_count"]) == ("SUCCEEDED", 0)


def test_given_one_branch_that_is_done_then_its_merge_is_not_made_again(machine, split_run):
    run, work = split_run(10)
    loop = machine(run)
    worked = []

    def fail_repeat_once(to_do):
        worked.append(to_do)
        first = len(worked) == 1
        for state, numbers in to_do.items():
            if loop.state["map"]["branches"][state]["merge_to_do"]:
                work({state: numbers}, failing={2} if first and state == "String_Repeat" else set())

    assert loop.go(fail_repeat_once)["OutputStatus"] == "SUCCEEDED"
    assert worked[1] == {"String_Repeat": [2], "String_Reverse": []}
    assert loop.state["map"]["branches"]["String_Reverse"]["merge_to_do"] is False
