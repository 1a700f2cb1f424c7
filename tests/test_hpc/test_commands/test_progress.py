"""How far a run is."""

import io

import pytest
from rich.console import Console

from hpc.commands.progress import ProgressDisplay, describe, done_and_total, follow
from hpc.run import Run
from hpc.tasks import StepCount


def step(state, succeeded, total, failed=0, running=0):
    return StepCount(state=state, title=state.lower(), total=total, succeeded=succeeded, failed=failed, running=running)


def run(status="RUNNING"):
    return Run(run_id="r1", workflow="w", project="p", status=status, created_at="")


@pytest.mark.parametrize(
    ("counts", "text", "done"),
    [
        ([], "waiting for the first task", (0, 0)),
        ([step("A", 0, 1), step("B", 0, None)], "waiting for the first task", (0, None)),
        ([step("A", 0, 1, running=1), step("B", 0, None)], "A 0/1", (0, None)),
        ([step("A", 1, 1), step("B", 3, 10, failed=2), step("C", 0, 1)], "A 1/1, B 3/10 (2 failed)", (4, 12)),
        ([step("A", 1, None)], "A 1/?", (1, None)),
    ],
)
def test_how_far_a_run_is(counts, text, done):
    assert describe(counts) == text
    assert done_and_total(counts) == done


def test_without_a_terminal_lines_are_printed_when_something_changed_but_not_too_often():
    times = iter([0.0, 0.0, 1.0, 6.0, 6.0, 7.0, 8.0, 8.0, 8.0])
    output = io.StringIO()
    with ProgressDisplay(Console(file=output, width=80), clock=lambda: next(times)) as display:
        display.update(run(), [step("A", 0, 1, running=1)])
        display.update(run(), [step("A", 1, 1)])  # 1 s later: too early
        display.update(run(), [step("A", 1, 1)])  # 6 s later
        display.update(run(), [step("A", 1, 1)])  # nothing changed
        display.update(run("SUCCEEDED"), [step("A", 1, 1), step("B", 1, 1)])  # the end is always told
    assert output.getvalue().splitlines() == ["r1: A 0/1", "r1: A 1/1", "r1: A 1/1, B 1/1"]


def test_on_a_terminal_there_is_a_bar():
    output = io.StringIO()
    with ProgressDisplay(Console(file=output, width=100, force_terminal=True)) as display:
        display.update(run(), [step("A", 3, 12, failed=1, running=2)])
    assert "a (1 failed)" in output.getvalue()
    assert "3/12" in output.getvalue()


def test_a_run_is_followed_to_its_end(connection, stack, string_processing, make_run, start_execution):
    parameters = {"ProjectNo": "P1", "INPUT_BUCKET": "data-bucket", "INPUT_KEY": "uploads/a"}
    execution_arn = start_execution(
        {"Wait": {"Type": "Wait", "Seconds": 1, "Next": "Done"}, "Done": {"Type": "Succeed"}}
    )
    started = make_run(execution_arn=execution_arn, parameters=parameters, shards=2)
    seen = list(follow(connection, stack, string_processing, started))
    assert seen[0][0].status == "PENDING"
    final, counts = seen[-1]
    assert final.status == "SUCCEEDED"
    assert done_and_total(counts) == (7, 7)
