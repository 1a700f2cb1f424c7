"""The environment of a job, checked once; the names of variables are those of the job contract."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hpc_job.errors import InputError
from hpc_job.shard_name import MAX_SHARDS

# Every workflow begins with a split in this state: its shards and its record are what the later jobs go by.
SPLIT_STATE = "String_Split"

PROJECT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?")
NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
WHOLE_NUMBER = re.compile(r"[0-9]{1,19}")
CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Shard:
    """The shard that a job does: its number, from 0 in input order, and its name, `lines.txt_00000`."""

    index: int
    name: str


@dataclass(frozen=True)
class Job:
    """Which part of which run this process does, and where its objects lie in the output bucket."""

    state: str
    run_id: str
    project: str
    output_bucket: str
    image: str
    job_id: str
    attempt: int
    shard: Shard | None
    started_at: str

    def key(self, name: str, *, state: str | None = None) -> str:
        """Key of an object of this project under this job's state, or under another."""
        return f"result/{self.project}/{state or self.state}/{name}"

    def records_prefix(self, state: str) -> str:
        """Prefix of the records of a state that has a job a shard."""
        return f"result/{self.project}/records/{self.run_id}/{state}/"

    def state_record_key(self, state: str) -> str:
        """Key of the record of a state that has one job."""
        return f"result/{self.project}/records/{self.run_id}/{state}.json"

    @property
    def record_key(self) -> str:
        """Key of this job's own record."""
        if self.shard is None:
            return self.state_record_key(self.state)
        return f"{self.records_prefix(self.state)}{self.shard.name}.json"

    @property
    def failure_key(self) -> str:
        """Key of the record that this job writes instead when it fails."""
        return f"{self.record_key.removesuffix('.json')}.failed.json"

    @property
    def does_a_shard(self) -> bool:
        """True when this is one of many jobs, whose outputs and records are intermediate."""
        return self.shard is not None


def read_job(arguments: Sequence[str], environment: Mapping[str, str]) -> Job:
    """What every job needs; raises InputError that names the variable, what was found and what is expected.

    Of a child of an array job the shard is not known yet.
    """
    if arguments:
        raise InputError(f"arguments: found {list(arguments)!r:.200}, expected none: the environment says it all")
    return Job(
        state=matching(environment, "STATE", NAME, "1 to 100 of A-Z, a-z, 0-9, '_' and '-'"),
        run_id=matching(environment, "RUN_ID", NAME, "1 to 100 of A-Z, a-z, 0-9, '_' and '-'"),
        project=matching(
            environment,
            "PROJECT_NO",
            PROJECT,
            "1 to 64 of A-Z, a-z, 0-9, '_' and '-', first and last a letter or digit",
        ),
        output_bucket=required(environment, "OUTPUT_BUCKET", "the bucket of the results"),
        image=required(environment, "IMAGE", "the image that the job runs from"),
        job_id=required(environment, "AWS_BATCH_JOB_ID", "the id of the Batch job"),
        attempt=whole_number(environment, "AWS_BATCH_JOB_ATTEMPT", 1, 1000, "the attempt, which Batch sets"),
        shard=read_shard(environment) if "SHARD" in environment else None,
        started_at=now(),
    )


def now() -> str:
    """The time in UTC, ISO 8601 with milliseconds and a Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def required(environment: Mapping[str, str], name: str, meaning: str) -> str:
    """Value of a variable that may not be empty and is one line of text; raises InputError."""
    value = environment.get(name, "")
    if not value:
        raise InputError(f"{name}: found nothing, expected {meaning}")
    if CONTROL_CHARACTER.search(value):
        raise InputError(f"{name}: found a control character in {value!r:.200}, expected {meaning}")
    return value


def matching(environment: Mapping[str, str], name: str, pattern: re.Pattern[str], allowed: str) -> str:
    """Value of a variable that the whole pattern matches; raises InputError."""
    value = environment.get(name, "")
    if not pattern.fullmatch(value):
        raise InputError(f"{name}: found {value!r:.200}, expected {allowed}")
    return value


def whole_number(environment: Mapping[str, str], name: str, lowest: int, highest: int, meaning: str) -> int:
    """Value of a variable as a number in decimal digits between two bounds; raises InputError."""
    value = environment.get(name, "")
    if not WHOLE_NUMBER.fullmatch(value) or not lowest <= int(value) <= highest:
        raise InputError(
            f"{name}: found {value!r:.200}, expected a whole number from {lowest} to {highest} ({meaning})"
        )
    return int(value)


def file_name(environment: Mapping[str, str], name: str) -> str:
    """Last part of a variable that is a key, `lines.txt` of `uploads/P/lines.txt`; raises InputError."""
    meaning = "a key whose last part is not empty"
    last = required(environment, name, meaning).rpartition("/")[2]
    if not last:
        raise InputError(f"{name}: found {environment[name]!r:.200}, expected {meaning}")
    return last


def read_shard(environment: Mapping[str, str]) -> Shard:
    """The shard of a job of its own; raises InputError."""
    meaning = "the name of a shard, which has no '/'"
    name = required(environment, "SHARD", meaning)
    if "/" in name:
        raise InputError(f"SHARD: found {name!r:.200}, expected {meaning}")
    return Shard(index=whole_number(environment, "INDEX", 0, MAX_SHARDS - 1, "the shard's number"), name=name)
