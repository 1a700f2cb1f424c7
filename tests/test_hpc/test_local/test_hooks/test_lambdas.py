"""Calls of functions: what the fault switches do to them, and how many an API makes at once."""

from __future__ import annotations

import json

import pytest

from tests.test_hpc.test_local.test_hooks.conftest import run

FAULTS = """
import json
from pathlib import Path
from ministack.services import stepfunctions
from hpc.local.batch.faults import FaultSwitches
from hpc.local.hooks import lambdas

calls = []
stepfunctions._call_lambda = lambda function, event: calls.append(event) or len(calls)
lambdas._suffer_faults(FaultSwitches(Path("faults.json")))
try:
    answer = stepfunctions._call_lambda("function", {})
except stepfunctions._ExecutionError as error:
    answer = error.error
print(json.dumps([answer, len(calls)]))
"""


@pytest.mark.parametrize(
    ("actions", "answer", "calls"),
    [
        ([], 1, 1),
        (["throttle"], "Lambda.TooManyRequestsException", 0),
        (["lose_answer"], "Lambda.Unknown", 1),
        (["double_call"], 2, 2),
        (["double_call", "lose_answer"], "Lambda.Unknown", 2),
    ],
)
def test_a_call_of_a_function_suffers_what_the_switches_say(tmp_path, actions, answer, calls):
    entries = [{"call": "lambda:Invoke", "action": action} for action in actions]
    (tmp_path / "faults.json").write_text(json.dumps(entries))
    assert run(tmp_path, FAULTS) == [[answer, calls]]


WAITING = """
import asyncio, json
from ministack.services import apigateway_v1
from hpc.local.hooks import lambdas

now = most = 0

async def call(*_args, **_kwargs):
    global now, most
    now += 1
    most = max(most, now)
    await asyncio.sleep(0.01)
    now -= 1

apigateway_v1._call_lambda_raw = call
lambdas._let_api_calls_wait()

async def many():
    await asyncio.gather(*(apigateway_v1._call_lambda_raw("f", {}) for _ in range(100)))

asyncio.run(many())
print(json.dumps([most, lambdas.API_CALLS_AT_ONCE]))
"""


def test_calls_of_an_api_wait_for_each_other(tmp_path):
    ((most, allowed),) = run(tmp_path, WAITING)
    assert most == allowed
