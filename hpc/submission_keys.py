"""A submission's key: who sends the same request again gets the run that it started the first time.

A row `IDEMPOTENCY#<owner>#<key>` names the run; it is written in one transaction with the run's own row, so of many
requests at once with one key exactly one starts a run, and there is no key without its run.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from hpc.connection import error_code
from hpc.errors import Conflict, WrongInput

# Another transaction with the same key is at work: it takes milliseconds, and DynamoDB lets nobody wait for it.
_TRIES = 10
_REST_S = 0.1


@dataclass(frozen=True)
class SubmissionKey:
    """The key of one owner's submission; `digest` is of the request, which must be the same each time."""

    owner: str
    key: str
    digest: str

    @property
    def row(self) -> dict[str, str]:
        return {"pk": f"IDEMPOTENCY#{self.owner}#{self.key}", "sk": "RUN"}


def run_started_with(table: Any, key: SubmissionKey) -> str | None:
    """The id of the run that this key started, None without one; raises WrongInput when it was another request."""
    item = table.get_item(Key=key.row, ConsistentRead=True).get("Item")
    if item is None:
        return None
    if item["digest"] != key.digest:
        raise WrongInput(
            f"Idempotency-Key: found {key.key!r}, which started run {item['run_id']} with another body; expected the "
            "same body again, or another key",
            field="Idempotency-Key",
        )
    return str(item["run_id"])


def put_both(table: Any, key: SubmissionKey, run_item: Mapping[str, Any]) -> None:
    """Writes a run's row and its key's, both or none; raises Conflict when the key was used before."""
    run_id = str(run_item["pk"]).removeprefix("RUN#")
    key_item = {**key.row, "run_id": run_id, "digest": key.digest}
    writes = [
        {"Put": {"TableName": table.name, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}}
        for item in (key_item, dict(run_item))
    ]
    for tries_left in reversed(range(_TRIES)):
        try:
            table.meta.client.transact_write_items(TransactItems=writes)
        except ClientError as error:
            if error_code(error) != "TransactionCanceledException":
                raise
            codes = [reason.get("Code") for reason in error.response.get("CancellationReasons", [])]
            if codes[:1] == ["ConditionalCheckFailed"]:
                raise Conflict(f"Idempotency-Key: found {key.key!r} used before; expected a new one") from error
            if "TransactionConflict" not in codes or tries_left == 0:
                raise
            time.sleep(_REST_S)
        else:
            return
