"""The event of Job_Map, and the S3 keys that follow from it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")
KINDS = {str: "text that is not empty", int: "a whole number", dict: "an object that is not empty"}


class EventError(Exception):
    """The event does not have the fields that the state Job_Map sends."""


@dataclass(frozen=True)
class JobMapEvent:
    """What the state Job_Map sends.

    `attempt` counts the tries so far of this execution, `resumes` the executions before it. `group_above` is the number
    of shards to do above which a branch submits them in groups. `branches` maps a shard state to its merge,
    `group_states` to the state of its groups, `made_since` a state to the time from which on its records count.
    `table` is the run table, `planned_at` when the state was entered.
    """

    run_id: str
    project: str
    bucket: str
    input_key: str
    attempt: int
    resumes: int
    group_above: int
    first_try_queue: str
    next_tries_queue: str
    split_state: str
    branches: Mapping[str, str]
    group_states: Mapping[str, str]
    table: str
    planned_at: datetime
    made_since: Mapping[str, datetime]

    @classmethod
    def parse(cls, event: Any) -> "JobMapEvent":
        """Raises EventError, which says the field, what was found and what was expected."""
        queues = field(event, "queues", dict)
        branches = field(event, "branches", dict)
        group_states = field(event, "group_states", dict)
        made_since = field(event, "made_since", dict)
        parsed = cls(
            run_id=field(event, "run_id", str),
            project=field(event, "project", str),
            bucket=field(event, "bucket", str),
            input_key=field(event, "input_key", str),
            attempt=count(event, "attempt", at_least=0, of="tries so far"),
            resumes=count(event, "resumes", at_least=0, of="executions before this one"),
            group_above=count(event, "group_above", at_least=1, of="shards"),
            first_try_queue=field(queues, "first_try", str),
            next_tries_queue=field(queues, "next_tries", str),
            split_state=field(event, "split_state", str),
            branches={state: field(branches, state, str) for state in branches},
            group_states={state: field(group_states, state, str) for state in branches},
            table=field(event, "table", str),
            planned_at=moment(event, "planned_at"),
            made_since={state: moment(made_since, state).replace(microsecond=0) for state in made_since},
        )
        if not parsed.file:
            raise EventError(f"field input_key: found {parsed.input_key!r}, expected a key that does not end with '/'")
        return parsed

    @property
    def file(self) -> str:
        """Last part of the input's key; it names the shards."""
        return self.input_key.rsplit("/", 1)[-1]

    @property
    def results(self) -> str:
        return f"result/{self.project}/"

    @property
    def records(self) -> str:
        return f"{self.results}records/{self.run_id}/"

    @property
    def split_record_key(self) -> str:
        return f"{self.records}{self.split_state}.json"

    @property
    def shard_list_key(self) -> str:
        return f"{self.results}{self.split_state}/{self.file}_splitlist"

    def counts(self, record_key: str, written_at: datetime) -> bool:
        """Whether a record is of the code that this run has now; S3 tells times without fractions of a second."""
        state = re.split("[/.]", record_key.removeprefix(self.records), maxsplit=1)[0]
        return state not in self.made_since or written_at >= self.made_since[state]

    def to_do_key(self, state: str, suffix: str) -> str:
        """Key of what this try has to do; the jobs of an earlier execution still have that one's lists."""
        folder = f"resume_{self.resumes}/" if self.resumes else ""
        return f"{self.results}Job_Map/{self.run_id}/{folder}try_{self.attempt + 1}_{state}{suffix}"


def field(node: Any, name: str, kind: type[T]) -> T:
    """Value of a field that must be of exactly this type and not empty; raises EventError."""
    value = node.get(name) if isinstance(node, dict) else None
    if type(value) is not kind or value in ("", {}):  # a bool is an int to isinstance
        raise EventError(f"field {name}: found {value!r:.100}, expected {KINDS[kind]}")
    return value


def count(node: Any, name: str, *, at_least: int, of: str) -> int:
    """A whole number of at least so many; raises EventError."""
    value = field(node, name, int)
    if value < at_least:
        raise EventError(f"field {name}: found {value}, expected {at_least} or more {of}")
    return value


def moment(node: Any, name: str) -> datetime:
    """A time in ISO 8601, in UTC; raises EventError."""
    text = field(node, name, str)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise EventError(f"field {name}: found {text!r:.100}, expected a time such as 2026-01-31T09:30:00Z") from None
