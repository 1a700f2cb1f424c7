"""What a workflow is to people: what they give, which steps they see, which outputs they get."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

# The parameter that every workflow has: it names the result folder, and a project has one run at a time.
PROJECT = "ProjectNo"


@dataclass(frozen=True)
class Parameter:
    """One value that a person gives; `schema` is its JSON Schema, `flag` its option (None: it has none)."""

    name: str
    flag: str | None
    required: bool
    schema: Mapping[str, Any]

    @property
    def label(self) -> str:
        """How messages call it: by what a person types, and by the name in forms and in S3."""
        return f"{self.flag} ({self.name})" if self.flag else self.name

    @property
    def type(self) -> str:
        return str(self.schema.get("type", "string"))

    @property
    def expected(self) -> str:
        """What is allowed, with an example."""
        allowed = str(self.schema.get("allowed") or f"a value of type {self.type}")
        examples = self.schema.get("examples") or []
        return f"{allowed}; for example {examples[0]}" if examples else allowed


@dataclass(frozen=True)
class Upload:
    """Where a local file goes, and the parameters that then name it."""

    prefix: str
    bucket_parameter: str
    key_parameter: str


@dataclass(frozen=True)
class Sharding:
    """A text file of n lines makes ceil(n / `lines_per_shard_parameter`) shards."""

    lines_per_shard_parameter: str
    max_shards: int
    max_line_bytes: int


@dataclass(frozen=True)
class Step:
    """One step as people see it; a `fan_out` step has one task a shard, `after` are the steps that it works on.

    `group_state` runs many of its tasks as one array job.
    """

    state: str
    title: str
    fan_out: bool
    after: tuple[str, ...] = ()
    group_state: str | None = None


@dataclass(frozen=True)
class Output:
    """One file that a run leaves; `key` holds `{ProjectNo}` and `{file}`."""

    name: str
    title: str
    key: str


@dataclass(frozen=True)
class Workflow:
    """A folder under `workflows/`, as `workflow.yaml` describes it; `jobs` and `functions` with the states they run."""

    name: str
    title: str
    description: str
    parameters: tuple[Parameter, ...]
    parameters_schema: Mapping[str, Any]
    upload: Upload | None
    output_bucket_parameter: str | None
    sharding: Sharding | None
    jobs: Mapping[str, tuple[str, ...]]
    functions: Mapping[str, tuple[str, ...]]
    function_memory_mib: Mapping[str, int]
    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]

    @property
    def upload_parameters(self) -> frozenset[str]:
        """The parameters that an uploaded file fills in."""
        return frozenset((self.upload.bucket_parameter, self.upload.key_parameter)) if self.upload else frozenset()

    @property
    def splitting_state(self) -> str | None:
        """The step whose record lists the shards: the last one before the first fan-out; None without a fan-out."""
        state = None
        for step in self.steps:
            if step.fan_out:
                return state
            state = step.state
        return None

    def step(self, state: str) -> Step | None:
        return next((step for step in self.steps if step.state == state), None)

    def with_later_steps(self, states: Collection[str]) -> frozenset[str]:
        """The steps among these states, and all steps that work on their results."""
        found: set[str] = set()
        for step in self.steps:
            if step.state in states or found & set(step.after):
                found.add(step.state)
        return frozenset(found)

    def input_uri(self, parameters: Mapping[str, Any]) -> str:
        """The input as `s3://bucket/key`; empty for a workflow that reads no object of a person's."""
        if not self.upload:
            return ""
        return f"s3://{parameters[self.upload.bucket_parameter]}/{parameters[self.upload.key_parameter]}"

    def output_bucket(self, parameters: Mapping[str, Any]) -> str:
        """The bucket of the results; the input's when none was named."""
        named = parameters.get(self.output_bucket_parameter or "")
        return str(named or (parameters[self.upload.bucket_parameter] if self.upload else ""))

    def output_keys(self, parameters: Mapping[str, Any]) -> dict[str, str]:
        """The S3 key of each output, by the output's name."""
        key = str(parameters[self.upload.key_parameter]) if self.upload else ""
        filled_in = {PROJECT: str(parameters[PROJECT]), "file": key.rpartition("/")[2]}
        keys = {}
        for output in self.outputs:
            text = output.key
            for placeholder, value in filled_in.items():
                # Not str.format: a file name may hold braces, and a key nothing but these two placeholders.
                text = text.replace("{" + placeholder + "}", value)
            keys[output.name] = text
        return keys


def parse(content: Mapping[str, Any]) -> Workflow:
    """A workflow, from what its `workflow.yaml` says; `content` keeps to `workflows/schema.json`."""
    schema, functions = content["parameters"], content.get("functions", {})
    required = set(schema.get("required", []))
    return Workflow(
        name=content["name"],
        title=content["title"],
        description=" ".join(content["description"].split()),
        parameters=tuple(
            Parameter(name=name, flag=part.get("flag"), required=name in required, schema=part)
            for name, part in schema["properties"].items()
        ),
        parameters_schema=schema,
        upload=Upload(**content["upload"]) if "upload" in content else None,
        output_bucket_parameter=content.get("output_bucket_parameter"),
        sharding=Sharding(**content["sharding"]) if "sharding" in content else None,
        jobs={name: tuple(part["states"]) for name, part in content["jobs"].items()},
        functions={name: tuple(part["states"]) for name, part in functions.items()},
        function_memory_mib={name: int(part["memory_mib"]) for name, part in functions.items()},
        steps=tuple(
            Step(
                state=part["state"],
                title=part["title"],
                fan_out=part.get("fan_out", False),
                after=tuple(part.get("after", ())),
                group_state=part.get("group_state"),
            )
            for part in content["steps"]
        ),
        outputs=tuple(Output(**part) for part in content["outputs"]),
    )
