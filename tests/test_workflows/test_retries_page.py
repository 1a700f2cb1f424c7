"""The page on faults says what the definition, the job definitions and the code do."""

import re

import pytest
import yaml

from hpc_constructs import batch_compute, batch_jobs, batch_queues
from tests.synthesis import ROOT
from tests.test_workflows.test_definitions import STRINGS, state

PAGE = (ROOT / "docs" / "faults.md").read_text("utf-8")
RETRIES = PAGE.partition("## Who retries what")[2].partition("\n## ")[0]


def at_most(owner: str) -> int:
    """The first number in the owner's last column."""
    row = next(line for line in RETRIES.splitlines() if line.startswith(f"| {owner}"))
    found = re.search(r"[0-9]+", row.rstrip("| ").rpartition("|")[2])
    assert found, row
    return int(found[0])


@pytest.mark.parametrize("name", ["String_Split", "String_Repeat", "String_Repeat_Group", "String_Reverse_Merge"])
def test_submissions_are_retried_as_often_as_it_says(name: str) -> None:
    (retry,) = state(STRINGS, name)["Retry"]
    assert retry["MaxAttempts"] == at_most("the Task's `Retry`")
    waits = [min(retry["IntervalSeconds"] * retry["BackoffRate"] ** n, retry["MaxDelaySeconds"]) for n in range(8)]
    assert sum(waits) / 60 == pytest.approx(6, abs=0.2)


@pytest.mark.parametrize("name", ["Job_Map", "Check_Output"])
def test_functions_are_retried_as_often_as_it_says(name: str) -> None:
    (retry,) = state(STRINGS, name)["Retry"]
    assert retry["MaxAttempts"] == at_most("the Lambda Tasks' `Retry`")


def test_attempts_of_a_job_are_as_many_as_it_says() -> None:
    assert at_most("Batch") == batch_jobs.ATTEMPTS


@pytest.mark.parametrize("function", ["job_map", "check_output"])
def test_the_functions_client_asks_as_often_as_it_says(function: str) -> None:
    text = (ROOT / "lambda" / function / f"{function}.py").read_text("utf-8")
    asked = at_most("S3's client, in a function")
    assert f'"total_max_attempts": {asked}}}' in text


def test_the_jobs_client_asks_as_often_as_it_says() -> None:
    text = (ROOT / "docker-image/BatchJob/hpc_job/s3.py").read_text("utf-8")
    again = at_most("S3's client, in a job") - 1  # max_attempts of botocore's Config leaves the first one out
    assert f'"max_attempts": {again}}}' in text


def test_jobs_wait_for_an_instance_as_long_as_it_says() -> None:
    first, next_tries = batch_compute.FIRST_TRY_CAPACITY_WAIT_S // 60, batch_compute.NEXT_TRIES_CAPACITY_WAIT_S // 60
    never = batch_queues.MISCONFIGURATION_WAIT_S // 60
    waits = f"after {first} minutes in the first queue, {next_tries} in the on-demand one, {never} when no environment"
    assert waits in RETRIES


def test_a_shard_takes_as_many_transitions_as_it_says() -> None:
    """The choice, the job (or the group), the end."""
    for name in ("Repeat", "Reverse"):
        states = state(STRINGS, f"String_Process_{name}")["ItemProcessor"]["States"]
        assert len(states) - 1 == 3
    assert "A shard takes 3 transitions a try" in RETRIES


def test_every_reason_that_it_names_is_one_that_is_said() -> None:
    words = [f"the {what}" for what in ("list of shards to do could not be made", "results could not be checked")]
    definition = (ROOT / "workflows/string_processing/definition.asl.json").read_text("utf-8")
    for text in words:
        assert f"`{text}: " in RETRIES
        assert text in definition
    assert "no record: the job did not finish" in RETRIES
    assert "no record: the job did not finish" in (ROOT / "lambda/check_output/comparison.py").read_text("utf-8")
    assert "(no log: nothing was written yet, or its retention is over)" in RETRIES
    assert "(no log: nothing was written yet, or its retention is over)" in (ROOT / "hpc/logs.py").read_text("utf-8")


def test_the_functions_have_the_time_that_it_names() -> None:
    workflow = yaml.safe_load((ROOT / "workflows/string_processing/workflow.yaml").read_text("utf-8"))
    assert {each["timeout_s"] for each in workflow["functions"].values()} == {900}
    assert "calls of at most 900 s" in RETRIES
