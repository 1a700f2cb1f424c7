"""DynamoDB's expressions, which are read once."""

from __future__ import annotations

from tests.test_hpc.test_local.test_hooks.conftest import run

EXPRESSIONS = """
import json
from ministack.services import dynamodb
from hpc.local.hooks import expressions

conditions = [
    "#s = :s AND begins_with(a.b[0], :t)", "((a = :s))", "a BETWEEN :t AND :s", "size = :s", "a = ", "a IN (:s, :t)",
    "(", "", "attribute_not_exists(pk) OR n < :n", "NOT a = :s",
]
items = [{}, {"s": {"S": "x"}, "a": {"M": {"b": {"L": [{"S": "yes"}]}}}}, {"a": {"S": "x"}, "n": {"N": "3"}}]
values = {":s": {"S": "x"}, ":t": {"S": "y"}, ":n": {"N": "4"}}

def seen():
    found = []
    for condition in conditions:
        for item in items:
            try:
                found.append(dynamodb._evaluate_condition(condition, item, values, {"#s": "s"}))
            except ValueError as error:
                found.append(str(error))
    return found

before = seen()
expressions.install()
print(json.dumps([before == seen() == seen(), len({str(each) for each in before})]))
"""


def test_expressions_that_are_read_once_mean_what_they_meant(tmp_path):
    ((are_equal, kinds),) = run(tmp_path, EXPRESSIONS)
    assert are_equal
    # True, False, and refusals of several kinds.
    assert kinds > 4
