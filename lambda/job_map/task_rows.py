"""Rows of tasks in the run table, made before their jobs: what is to do shows as PENDING from the beginning.

From then on events move them (see the function record_event, whose order of versions this follows): a row made here is
later than all jobs of earlier tries, and earlier than those of this one. `planned_at` is when the state was entered, so
that a call which comes twice or late says nothing new.

A single shard has a row of its own, a group of shards one for all of them, since a million rows would take an hour and
two dollars to write. A row that cannot be made is no reason to stop a run: its job's first event makes it.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from branch_plan import BranchPlan
from map_event import JobMapEvent

# Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
WRITTEN_AT_ONCE = 100
# A partition of DynamoDB takes 1,000 units a second, and each row of a transaction two: 20 seconds.
MOST_ROWS = 10_000
TRIES = 6
# Attributes of the job that a row had before; those of all its jobs stay.
OF_LAST_JOB = ("job_id", "reason", "started_at", "stopped_at", "counts")


def make_rows(dynamodb: Any, request: JobMapEvent, plans: Mapping[str, BranchPlan]) -> None:
    """Makes a row for each task that the branches have to do, `MOST_ROWS` at most. Says on stdout what went wrong."""
    tasks = list(islice(planned(request, plans), MOST_ROWS))
    try:
        for start in range(0, len(tasks), WRITTEN_AT_ONCE):
            write(dynamodb, [update(request, *task) for task in tasks[start : start + WRITTEN_AT_ONCE]])
    except (ClientError, BotoCoreError) as error:
        print(f"rows of run {request.run_id} were not made, events will make them: {error}")


def planned(request: JobMapEvent, plans: Mapping[str, BranchPlan]) -> Iterator[tuple[str, int]]:
    """State and index of each task: merges, groups, then shards."""
    for state, plan in plans.items():
        if plan.merge_to_do:
            yield request.branches[state], 0
    for state, plan in plans.items():
        if plan.grouped:
            yield from ((request.group_states[state], index) for index, _ in enumerate(plan.groups))
    for state, plan in plans.items():
        if not plan.grouped:
            yield from ((state, number) for number in plan.to_do)


def update(request: JobMapEvent, state: str, index: int) -> dict[str, Any]:
    """The write of a row, which is refused when the row is further already."""
    version = f"{round(request.planned_at.timestamp() * 1000):013d}"
    values = {"version": version, "state": state, "index": index, "status": "PENDING"}
    return {
        "Update": {
            "TableName": request.table,
            "Key": {"pk": {"S": f"RUN#{request.run_id}"}, "sk": {"S": f"TASK#{state}#{index:06d}"}},
            "UpdateExpression": (
                f"SET {', '.join(f'#{name} = :{name}' for name in values)} "
                f"REMOVE {', '.join(f'#{name}' for name in OF_LAST_JOB)}"
            ),
            "ConditionExpression": "attribute_not_exists(#version) OR #version < :version",
            "ExpressionAttributeNames": {f"#{name}": name for name in (*values, *OF_LAST_JOB)},
            "ExpressionAttributeValues": {
                f":{name}": {"N": str(value)} if isinstance(value, int) else {"S": value}
                for name, value in values.items()
            },
        }
    }


def write(dynamodb: Any, updates: Sequence[dict[str, Any]]) -> None:
    """All but those that are refused; raises what DynamoDB raises when it does not take one of them in any try."""
    for number in range(TRIES):
        try:
            dynamodb.transact_write_items(TransactItems=list(updates))
            return
        except dynamodb.exceptions.TransactionCanceledException as error:
            codes = [reason["Code"] for reason in error.response["CancellationReasons"]]
            left = [each for each, code in zip(updates, codes, strict=True) if code != "ConditionalCheckFailed"]
            if not left:
                return
            if number == TRIES - 1:
                raise
            if len(left) == len(updates):
                time.sleep(0.05 * 2**number)
            updates = left
