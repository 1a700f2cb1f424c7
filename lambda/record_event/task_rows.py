"""Rows of tasks: one write a task and batch, which only ever moves its row forward.

A row has two kinds of attributes. Those that change (status, reason, newest job) are written together, and only when
their `version` is greater than the row's. Those that never change once they are known (jobs that have ended, places of
container instances) are added whenever they come, so that a late event of an earlier try still leaves its attempts.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError
from instances import INSTANCE_PREFIX, Place
from job_change import ENDED, JobChange

# Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
WRITTEN_AT_ONCE = 100
TRIES = 6
_to_dynamodb, _from_dynamodb = TypeSerializer().serialize, TypeDeserializer().deserialize


@dataclass
class RowWrite:
    """What a batch says of one task: the furthest that it has come, and facts that hold whatever the row says."""

    newest: JobChange
    facts: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    message_ids: list[str] = field(default_factory=list)

    @property
    def run_id(self) -> str:
        return self.newest.run_id

    @property
    def sort_key(self) -> str:
        """Numbers have six digits, so that tasks are in the order of their shards, of which a run has a million."""
        return f"TASK#{self.newest.state}#{self.newest.index:06d}"

    @property
    def key(self) -> dict[str, Any]:
        return {"pk": {"S": f"RUN#{self.run_id}"}, "sk": {"S": self.sort_key}}

    def values(self) -> dict[str, Any]:
        """Every attribute of the row that changes, None for those that go."""
        return {**self.newest.fields, "version": self.newest.version, self.newest.job_name: self.newest.job}


def fold(changes: Iterable[JobChange], places: Mapping[str, Place]) -> list[RowWrite]:
    """One write a task: a task may be there many times in a batch."""
    rows: dict[tuple[str, str, int], RowWrite] = {}
    for change in changes:
        row = rows.setdefault(change.task, RowWrite(change))
        row.message_ids.append(change.message_id)
        if change.version > row.newest.version:
            row.newest = change
        if change.has_ended:
            row.facts[change.job_name] = change.job
        for arn in change.containers:
            if arn in places:
                row.facts[INSTANCE_PREFIX + arn.rpartition("/")[2]] = places[arn]
    return list(rows.values())


def write_rows(dynamodb: Any, table: str, rows: list[RowWrite]) -> list[tuple[RowWrite, str]]:
    """The rows that could not be written, each with the reason."""
    unwritten = []
    for start in range(0, len(rows), WRITTEN_AT_ONCE):
        unwritten += _write_some(dynamodb, table, rows[start : start + WRITTEN_AT_ONCE])
    return unwritten


def _write_some(dynamodb: Any, table: str, rows: list[RowWrite]) -> list[tuple[RowWrite, str]]:
    """A transaction stands for a hundred conditional writes, and is refused as a whole: then without the refused ones.

    Those are rows that are further already; they get what facts they do not have yet.
    """
    behind: list[tuple[RowWrite, Mapping[str, Any]]] = []
    reasons: list[str] = []
    for number in range(TRIES):
        if not rows:
            break
        try:
            dynamodb.transact_write_items(TransactItems=[{"Update": _update(table, row)} for row in rows])
            rows = []
        except dynamodb.exceptions.TransactionCanceledException as error:
            answers = error.response["CancellationReasons"]
            refused = [answer["Code"] == "ConditionalCheckFailed" for answer in answers]
            behind += [
                (row, answer.get("Item", {}))
                for row, answer, is_refused in zip(rows, answers, refused, strict=True)
                if is_refused
            ]
            rows = [row for row, is_refused in zip(rows, refused, strict=True) if not is_refused]
            reasons = [f"{answer['Code']}: {answer.get('Message')}" for answer in answers if answer["Code"] != "None"]
            if not any(refused):
                time.sleep(0.05 * 2**number)  # another call writes the same rows, or the table is throttled
        except ClientError as error:
            reasons = [str(error)]
            break
    unwritten = [(row, "; ".join(sorted(set(reasons)))) for row in rows]
    for row, item in behind:
        try:
            _add_facts(dynamodb, table, row, item)
        except ClientError as error:
            unwritten.append((row, str(error)))
    return unwritten


def _update(table: str, row: RowWrite) -> dict[str, Any]:
    values = {**row.facts, **row.values()}
    return {
        "TableName": table,
        "Key": row.key,
        **_set(values),
        "ConditionExpression": "attribute_not_exists(#version) OR #version < :version",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _add_facts(dynamodb: Any, table: str, row: RowWrite, item: Mapping[str, Any]) -> None:
    """What never changes goes into a row that is further already, unless it is there."""
    known = {name: _from_dynamodb(value) for name, value in item.items()}
    new = {name: fact for name, fact in row.facts.items() if not _is_known(known.get(name), fact)}
    if new:
        dynamodb.update_item(TableName=table, Key=row.key, **_set(new))


def _is_known(there: Any, fact: Mapping[str, Any]) -> bool:
    """A job that had not ended when it was written is no fact yet; nor is a group whose children's time comes later."""
    if there is None or "status" not in fact:
        return there is not None
    return there.get("status") in ENDED and ("child_seconds" in there or "child_seconds" not in fact)


def _set(values: Mapping[str, Any]) -> dict[str, Any]:
    """An update's expression, all names in placeholders: DynamoDB reserves many words."""
    names, given, sets, removes = {}, {}, [], []
    for number, (name, value) in enumerate(values.items()):
        mark = "version" if name == "version" else f"a{number}"
        names[f"#{mark}"] = name
        if value is None:
            removes.append(f"#{mark}")
        else:
            sets.append(f"#{mark} = :{mark}")
            given[f":{mark}"] = _to_dynamodb(value)
    return {
        "UpdateExpression": f"SET {', '.join(sets)}" + (f" REMOVE {', '.join(removes)}" if removes else ""),
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": given,
    }
