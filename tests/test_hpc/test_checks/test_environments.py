"""Queues without a compute environment that runs jobs."""

import pytest

from hpc.checks import environments
from hpc.checks.compute import read_queues
from hpc.checks.findings import Finding


def test_one_environment_is_enough(queue, environment):
    assert environments.find(queue()) is None
    assert environments.find(queue(environment(state="DISABLED"), environment(name="b"))) is None
    assert environments.find(queue(environment(status="UPDATING"))) is None


def test_without_any_it_names_each_and_the_command_for_the_first(queue, environment):
    broken = queue(
        environment(name="a", status="INVALID", status_reason="CLIENT_ERROR - role"),
        environment(name="b", state="DISABLED"),
    )
    assert environments.find(broken) == Finding(
        "The queue first (graviton, first try) has no compute environment that runs jobs; found a ENABLED and INVALID "
        "(CLIENT_ERROR - role), b DISABLED; expected one that is ENABLED and VALID",
        "aws batch update-compute-environment --compute-environment b --state ENABLED",
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"state": "DISABLED"}, "is DISABLED; expected ENABLED, it takes no jobs"),
        ({"state": "DELETED"}, "is DELETED; expected ENABLED, it takes no jobs"),
    ],
)
def test_a_queue_that_takes_no_jobs(queue, changes, sentence):
    assert environments.find(queue(**changes)).sentence == f"The queue first (graviton, first try) {sentence}"


def test_the_queues_of_one_architecture_are_read_from_batch(connection, stack):
    found = read_queues(connection, stack, "graviton")
    assert [(each.name, each.label) for each in found] == [
        ("graviton-first_try", "graviton, first try"),
        ("graviton-next_tries", "graviton, next tries"),
    ]
    (one,) = found[0].environments
    assert (one.name, one.kind, one.is_usable, one.max_vcpus, one.instance_types) == ("test", "EC2", True, 4, ("r6g",))
    assert len(read_queues(connection, stack)) == 4
