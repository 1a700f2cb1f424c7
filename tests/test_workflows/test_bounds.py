"""How many events a parent execution can have, from the definition alone: however many shards there are, and fail.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html (the events),
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html (25,000 of them)
"""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from tests.test_workflows.test_definitions import STRINGS, state

# Entered and exited; a task is scheduled, started, submitted and ends, a Parallel and a Map run start and end.
OWN_EVENTS = {"Pass": 2, "Choice": 2, "Wait": 2, "Succeed": 2, "Fail": 2, "Task": 6, "Parallel": 4, "Map": 6}
# Scheduled, started, failed.
EVENTS_A_RETRY = 3
LOOP = ("Job_Map", "Parallel_Process", "Check_Output", "Notification", "Is_Complete", "Failed")
MOST_ATTEMPTS = 10  # of the setting maxAttempts
DEFAULT_ATTEMPTS = 3


def events(part: Mapping[str, Any], *, retries: bool) -> int:
    """Events of a state, if all its branches are taken; with `retries`, each retry that it allows is used up."""
    total = OWN_EVENTS[part["Type"]]
    if part["Type"] == "Map" and part["ItemProcessor"]["ProcessorConfig"]["Mode"] != "DISTRIBUTED":
        raise AssertionError("each item of an inline Map adds its events to the parent's")
    if retries:
        total += EVENTS_A_RETRY * sum(each.get("MaxAttempts", 3) for each in part.get("Retry", []))
    return total + sum(
        events(each, retries=retries) for branch in part.get("Branches", []) for each in branch["States"].values()
    )


def most_events(definition: Mapping[str, Any], *, attempts: int, retries: bool) -> int:
    """Every state once, those of the loop once a try; and the beginning and the end of the execution."""
    states = definition["States"]
    outside = sum(events(part, retries=retries) for name, part in states.items() if name not in LOOP)
    return 2 + outside + attempts * sum(events(states[name], retries=retries) for name in LOOP)


def test_the_loop_is_the_loop() -> None:
    """What can follow Job_Map again is what is counted once a try."""
    assert STRINGS["States"]["Failed"]["Next"] == "Job_Map"
    assert "Failed" in [choice["Next"] for choice in STRINGS["States"]["Is_Complete"]["Choices"]]
    assert [STRINGS["States"][name]["Next"] for name in LOOP[:4]] == list(LOOP[1:5])


@pytest.mark.parametrize("attempts", [DEFAULT_ATTEMPTS, MOST_ATTEMPTS])
def test_with_every_shard_failing_in_every_try_the_parent_has_less_than_1000_events(attempts: int) -> None:
    assert most_events(STRINGS, attempts=attempts, retries=False) < 1000


def test_with_every_call_throttled_to_the_last_retry_too() -> None:
    assert most_events(STRINGS, attempts=DEFAULT_ATTEMPTS, retries=True) < 1000
    assert most_events(STRINGS, attempts=MOST_ATTEMPTS, retries=True) < 25_000 / 10


def test_an_inline_map_is_noticed() -> None:
    definition = copy.deepcopy(STRINGS)
    state(definition, "String_Process_Repeat")["ItemProcessor"]["ProcessorConfig"]["Mode"] = "INLINE"
    with pytest.raises(AssertionError, match="each item of an inline Map"):
        most_events(definition, attempts=1, retries=False)
