"""The event of Check_Output, and the S3 keys that follow from it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

T = TypeVar("T")

LEAST_DIGITS, MOST_DIGITS = 5, 6
KINDS = {str: "text that is not empty", int: "a whole number", dict: "an object that is not empty"}


class EventError(Exception):
    """The event does not have the fields that the state Check_Output sends."""


@dataclass(frozen=True)
class Branch:
    """One branch: its shard state, its merge, how its outputs are named and how often they hold a line's text."""

    state: str
    merge_state: str
    prefix: str
    size_factor: int

    @property
    def keeps_terminators(self) -> bool:
        """Whether an output's terminators count as its shard's, true where a line's text is written several times.

        A branch that writes it once may rearrange it. Reverse brings a CR from a line's start to its end, where it
        counts as part of the terminator: `CR ab LF` becomes `ba CRLF`.
        """
        return self.size_factor > 1


@dataclass(frozen=True)
class CheckEvent:
    """What the state Check_Output sends.

    `attempt` is the try that ended, 0 when the split ended before the first; `made_since` maps a state to the time from
    which on its records count: a resumed run redoes what other code has made.
    """

    run_id: str
    project: str
    workflow: str
    bucket: str
    input_key: str
    attempt: int
    max_attempts: int
    split_state: str
    branches: tuple[Branch, ...]
    made_since: Mapping[str, datetime]

    @classmethod
    def parse(cls, event: Any) -> "CheckEvent":
        """Raises EventError, which says the field, what was found and what was expected."""
        branches = field(event, "branches", dict)
        made_since = field(event, "made_since", dict)
        parsed = cls(
            run_id=field(event, "run_id", str),
            project=field(event, "project", str),
            workflow=field(event, "workflow", str),
            bucket=field(event, "bucket", str),
            input_key=field(event, "input_key", str),
            attempt=count(event, "attempt", minimum=0),
            max_attempts=count(event, "max_attempts", minimum=1),
            split_state=field(event, "split_state", str),
            branches=tuple(branch(state, field(branches, state, dict)) for state in branches),
            made_since={state: moment(made_since, state) for state in made_since},
        )
        if not parsed.file:
            raise EventError(f"field input_key: found {parsed.input_key!r}, expected a key that does not end with '/'")
        return parsed

    @property
    def file(self) -> str:
        """Last part of the input's key; it names the shards and the results."""
        return self.input_key.rsplit("/", 1)[-1]

    @property
    def results(self) -> str:
        return f"result/{self.project}/"

    @property
    def records(self) -> str:
        return f"{self.results}records/{self.run_id}/"

    @property
    def reasons_key(self) -> str:
        return f"{self.results}Check_Output/{self.run_id}/try_{self.attempt}.json"

    @property
    def shard_list_key(self) -> str:
        return f"{self.results}{self.split_state}/{self.file}_splitlist"

    @property
    def prefixes(self) -> tuple[str, ...]:
        """One for each listing: the shards with their list, each branch's outputs, merged object and records."""
        prefixes = [f"{self.results}{self.split_state}/{self.file}_", f"{self.records}{self.split_state}."]
        for b in self.branches:
            prefixes += [f"{self.results}{b.state}/{b.prefix}_{self.file}_", self.merged_key(b)]
            prefixes += [f"{self.records}{b.state}/{self.file}_", f"{self.records}{b.merge_state}."]
        return tuple(prefixes)

    def counts(self, key: str, written_at: datetime) -> bool:
        """False for a record of code that the run no longer has; what is no record always counts."""
        if not key.startswith(self.records):
            return True
        state = re.split("[/.]", key.removeprefix(self.records), maxsplit=1)[0]
        return state not in self.made_since or written_at >= self.made_since[state]

    def shard_digits(self, first_name: str) -> int:
        """How many digits the numbers in the shards' names have: all of them as many as the first shard's."""
        return min(max(LEAST_DIGITS, len(first_name) - len(self.file) - 1), MOST_DIGITS)

    def shard_name(self, index: int, digits: int) -> str:
        return f"{self.file}_{index:0{digits}d}"

    def shard_key(self, shard: str) -> str:
        return f"{self.results}{self.split_state}/{shard}"

    def output_key(self, b: Branch, shard: str) -> str:
        return f"{self.results}{b.state}/{b.prefix}_{shard}"

    def merged_key(self, b: Branch) -> str:
        return f"{self.results}{b.merge_state}/{b.prefix}_{self.file}_merge"

    def record_key(self, task: str) -> str:
        """Record of a complete task: `String_Split`, `String_Repeat/<shard>`, `String_Repeat_Merge`."""
        return f"{self.records}{task}.json"

    def failure_key(self, task: str) -> str:
        return f"{self.records}{task}.failed.json"

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"


def branch(state: str, node: dict[str, Any]) -> Branch:
    return Branch(
        state=state,
        merge_state=field(node, "merge_state", str),
        prefix=field(node, "prefix", str),
        size_factor=count(node, "size_factor", minimum=1),
    )


def field(node: Any, name: str, kind: type[T]) -> T:
    """Value of a field that must be of exactly this type and not empty; raises EventError."""
    value = node.get(name) if isinstance(node, Mapping) else None
    if type(value) is not kind or value in ("", {}):  # a bool is an int to isinstance
        raise EventError(f"field {name}: found {value!r:.100}, expected {KINDS[kind]}")
    return value


def count(node: Any, name: str, *, minimum: int) -> int:
    value = field(node, name, int)
    if value < minimum:
        raise EventError(f"field {name}: found {value}, expected {minimum} or more")
    return value


def moment(node: Any, name: str) -> datetime:
    """A time in ISO 8601, without its fraction of a second, as S3 tells times; raises EventError."""
    text = field(node, name, str)
    try:
        return datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)
    except ValueError:
        raise EventError(f"field {name}: found {text!r:.100}, expected a time such as 2026-01-31T09:30:00Z") from None
