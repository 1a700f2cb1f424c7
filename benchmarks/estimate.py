"""What one run costs on AWS and which limit it breaks: from its definition, its workflow.yaml and prices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.prices import Dollars, dollars
from benchmarks.s3_requests import GIB, LARGEST_WRITTEN_BYTES, SHARD_BYTES, Requests, Work, is_too_large, run_requests
from hpc.cost.execution_model import Fan, Usage, run_usage, with_inline_maps

# Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MAX_EVENTS = 25_000
MAX_PAYLOAD_BYTES = 256 * 1024
# SubmitJob calls a second of an account. Source: https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html
SUBMISSIONS_PER_S = 50
# A cold start with boto3 is a guess. What a page of 1,000 keys and the work on 1,000 shards take was measured on one
# core (lambda/README.md). Listings are under way side by side, but one core parses their pages one after the other.
INVOCATION_S = 1.0
LIST_S = 0.056
THOUSAND_SHARDS_S = 0.046

# What a table calls the ways.
OURS = "ours"
INLINE = "inline Map"


@dataclass(frozen=True)
class WorkflowFolder:
    """A workflow's definition and description, as they lie in its folder."""

    definition: Mapping[str, Any]
    description: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> WorkflowFolder:
        return cls(
            definition=json.loads((folder / "definition.asl.json").read_text()),
            description=yaml.safe_load((folder / "workflow.yaml").read_text()),
        )

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(self.description["parameters"]["properties"])

    @property
    def max_shards(self) -> int | None:
        most: int | None = self.description.get("sharding", {}).get("max_shards")
        return most


@dataclass(frozen=True)
class Estimate:
    """One run on AWS that goes well; when `broken` names limits that it passes, what it would need without them."""

    way: str
    shards: int
    usage: Usage
    requests: Requests
    dollars: Dollars
    broken: tuple[str, ...]

    @property
    def submissions(self) -> int:
        return self.usage.calls["batch:submitJob"]


def estimate(folder: WorkflowFolder, fan: Fan, *, way: str = OURS, shard_bytes: int = SHARD_BYTES) -> Estimate:
    """What a run uses in the workflow's own way, or with plain inline Maps and one job a shard."""
    inline = way == INLINE
    definition = with_inline_maps(folder.definition) if inline else folder.definition
    if inline:
        fan = Fan(fan.shards, group_above=fan.shards, group_size=fan.group_size)
    usage = run_usage(definition, fan, folder.parameters)
    work = Work(fan.shards, shard_bytes)
    requests = run_requests(usage.entered, work)
    seconds = function_seconds(folder.description, usage, work)
    memory = {name: spec["memory_mib"] for name, spec in folder.description.get("functions", {}).items()}
    return Estimate(
        way=way,
        shards=fan.shards,
        usage=usage,
        requests=requests,
        dollars=dollars(
            transitions=usage.transitions,
            invocations=usage.calls["lambda:invoke"],
            lambda_gb_s=sum(memory[name] / 1024 * taken for name, taken in seconds.items()),
            puts_and_lists=requests.puts + requests.lists,
            gets=requests.gets + usage.calls["s3:getObject"],
            writes=usage.calls["dynamodb:updateItem"] + usage.calls["dynamodb:putItem"],
            publishes=usage.calls["sns:publish"],
        ),
        broken=broken_limits(folder, usage, work, seconds, inline=inline),
    )


def function_seconds(description: Mapping[str, Any], usage: Usage, work: Work) -> dict[str, float]:
    """How long each function works in a run, all its invocations together."""
    seconds = {}
    for name, spec in description.get("functions", {}).items():
        states = {state: usage.entered[state] for state in spec["states"] if usage.entered[state]}
        working_s = sum(states.values()) * (INVOCATION_S + work.shards / 1_000 * THOUSAND_SHARDS_S)
        seconds[name] = working_s + run_requests(states, work).lists * LIST_S
    return seconds


def broken_limits(
    folder: WorkflowFolder, usage: Usage, work: Work, seconds: Mapping[str, float], *, inline: bool
) -> tuple[str, ...]:
    """The limits that stop such a run; the workflow's own number of shards is no limit of a plain inline Map."""
    broken = []
    if usage.events > MAX_EVENTS:
        broken.append(f"{MAX_EVENTS:,} events")
    if usage.payload_bytes > MAX_PAYLOAD_BYTES:
        broken.append(f"{MAX_PAYLOAD_BYTES // 1024} KiB")
    if folder.max_shards and work.shards > folder.max_shards and not inline:
        broken.append(f"refused: {folder.max_shards:,} shards")
    if is_too_large(work.shards, work.shard_bytes):
        broken.append(f"refused: a merged object over {LARGEST_WRITTEN_BYTES // GIB} GiB")
    for name, taken in seconds.items():
        if taken > folder.description["functions"][name]["timeout_s"]:
            broken.append(f"{name}: about {taken:.0f} s")
    return tuple(broken)


def most_shards(folder: WorkflowFolder, fan: Fan, *, way: str, limit: str, at_most: int = 10_000_000) -> int | None:
    """The largest number of shards that keeps a limit of `broken_limits`; None when even `at_most` keeps it."""

    def keeps(shards: int) -> bool:
        other = Fan(shards, group_above=fan.group_above, group_size=fan.group_size)
        return limit not in estimate(folder, other, way=way).broken

    low, high = 0, at_most
    if keeps(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low
