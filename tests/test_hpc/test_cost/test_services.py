"""What goes with a run's jobs, held against the model that counts the string workflow's requests one by one."""

import json

import pytest

from benchmarks.estimate import WorkflowFolder
from benchmarks.estimate import estimate as counted
from hpc.cost.execution_model import Fan
from hpc.cost.interval import Interval
from hpc.cost.prices import Prices, read_prices
from hpc.cost.services import NAMES, Extent, good_run, services_of
from hpc.workflow_folders import workflows_dir

FOLDER = workflows_dir() / "string_processing"
DEFINITION = json.loads((FOLDER / "definition.asl.json").read_text("utf-8"))
PRICES = read_prices("us-east-1")


def of(workflow, extent, prices=PRICES, definition=DEFINITION):
    return services_of(workflow, definition, extent, prices)


def jobs_of(shards, group_size=10_000, *, in_groups=False):
    return 3 + 2 * (-(-shards // group_size) if in_groups else shards)


@pytest.mark.parametrize(
    ("shards", "in_groups"), [(1, False), (10, False), (100, False), (1_000, True), (50_000, True)]
)
def test_the_parts_have_what_is_counted_one_by_one(string_processing, shards, in_groups):
    jobs = jobs_of(shards, in_groups=in_groups)
    found = of(string_processing, Extent(shards, in_groups, jobs, jobs - 3))
    dollars = counted(WorkflowFolder.read(FOLDER), Fan(shards, 0 if in_groups else shards, 10_000)).dollars
    assert found["step_functions"].usd == Interval.exactly(pytest.approx(dollars.step_functions))
    for name, exact in (("functions", dollars.functions), ("requests", dollars.s3)):
        usd = found[name].usd
        assert usd is not None
        assert usd.low <= exact <= usd.high, name


def test_a_run_with_half_or_twice_its_jobs_costs_half_or_twice_as_much(string_processing):
    whole, twice = (of(string_processing, Extent(10, False, jobs)) for jobs in (23, 46))
    for name in ("step_functions", "functions"):
        assert twice[name].usd == Interval(
            pytest.approx(2 * whole[name].usd.low), pytest.approx(2 * whole[name].usd.high)
        )


def test_shards_that_no_job_had_yet_have_no_requests_but_the_one_that_wrote_them(string_processing):
    none, half, all_of_them = (
        of(string_processing, Extent(1000, in_groups=True, jobs=3 + groups, fan_out_jobs=groups))["requests"].usd
        for groups in (0, 1, 2)
    )
    assert none.high < 1000 * 5.1e-6 + 60 * 5.4e-6
    assert half.low == pytest.approx((none.low + all_of_them.low) / 2)


def test_where_prices_are_not_known_the_parts_say_so(string_processing):
    found = of(string_processing, Extent(10, False, 23), Prices("nowhere-1", "2026-01-01"))
    assert {part.usd for part in found.values()} == {None}
    assert found["step_functions"].unknown == (
        "step functions not in the cost: no price is known of transition in nowhere-1",
    )


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (
            {"Type": "Choice", "Choices": [{"Variable": "$.weather", "StringEquals": "fine", "Next": "End"}]},
            "$.weather",
        ),
        ({"Type": "Pass", "Result": "a text", "Next": "Under"}, "TypeError"),
        ({"Type": "Unheard", "Next": "End"}, "KeyError: 'Unheard'"),
        ({"Type": "Pass", "Next": "Nowhere"}, "KeyError: 'Nowhere'"),
    ],
)
def test_a_definition_that_the_model_does_not_understand_is_said_to_be_one(string_processing, first, said):
    under = {"Type": "Pass", "Result": 1, "ResultPath": "$.more", "Next": "End"}
    odd = {"StartAt": "First", "States": {"First": first, "Under": under, "End": {"Type": "Succeed"}}}
    parts = of(string_processing, Extent(10, False, 23), definition=odd)
    assert {name: part.usd for name, part in parts.items()} == dict.fromkeys(NAMES)
    (note,) = [line for part in parts.values() for line in part.unknown]
    assert note.startswith("Step Functions, Lambda, S3 requests and rows not in the cost: ")
    assert said in note
    assert good_run(string_processing, odd, Interval(1, 2), PRICES) is None
