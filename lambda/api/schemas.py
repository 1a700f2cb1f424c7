"""What the API takes and gives, as JSON Schemas. Requests are checked by them, and /openapi.json shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

STATUSES: Sequence[str] = ["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]
TASK_STATUSES: Sequence[str] = ["PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"]
JOB_STATUSES: Sequence[str] = ["SUBMITTED", *TASK_STATUSES]
RUN_ID = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$"
TASK = r"^[A-Za-z][A-Za-z0-9_]{0,79}-[0-9]{1,7}$"
IDEMPOTENCY_KEY = r"^[A-Za-z0-9_-]{1,128}$"

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TIME_OR_NULL: Schema = {"type": ["string", "null"], "format": "date-time"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
TOKEN: Schema = {"type": ["string", "null"], "description": "Give it as `next` for what follows; null at the end"}
ANY_OBJECT: Schema = {"type": "object"}


def thing(**properties: Schema) -> Schema:
    """An object that has all of these."""
    return {"type": "object", "properties": properties, "required": [*properties]}


def several(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


# S3 would put the name of the file that is sent in its place, and so decide over the key.
# Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTForms.html
_NO_VARIABLE = r"(?![\s\S]*\$\{filename\})"

NAME: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 80,
    "description": "the name of a workflow, see GET /workflows",
}
NEW_RUN: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["workflow", "parameters"],
    "properties": {
        "workflow": NAME,
        "parameters": {"type": "object", "description": "an object with the workflow's parameters"},
        "overwrite": {
            "type": "boolean",
            "default": False,
            "description": "true or false; true replaces the results that the project has of another input",
        },
    },
}
NEW_UPLOAD: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["workflow", "project", "file_name"],
    "properties": {
        "workflow": NAME,
        "project": {
            "type": "string",
            "maxLength": 200,
            "pattern": f"^{_NO_VARIABLE}",
            "description": "a project's name, as runs have it",
        },
        "file_name": {
            "type": "string",
            # Of "." and ".." object stores on disks would make something else.
            "pattern": rf"^(?!\.{{1,2}}$){_NO_VARIABLE}[^/\\\x00-\x1f\x7f]{{1,200}}$",
            "description": "a file's name of 1 to 200 characters without folder, control characters and ${filename}",
        },
    },
}

RUN = thing(
    run_id=TEXT,
    workflow=TEXT,
    project=TEXT,
    status={"enum": STATUSES},
    owner=TEXT_OR_NULL,
    created_at=TIME_OR_NULL,
    started_at=TIME_OR_NULL,
    stopped_at=TIME_OR_NULL,
    parameters=ANY_OBJECT,
    reasons=several(TEXT),
    reason_count=COUNT,
    resumes=COUNT,
)
STEP = thing(
    state=TEXT,
    title=TEXT,
    total={"type": ["integer", "null"], "description": "null as long as the number of shards is unknown"},
    succeeded=COUNT,
    failed=COUNT,
    running=COUNT,
)
DOLLARS_OR_NULL: Schema = {
    "type": ["object", "null"],
    "properties": {"low": {"type": "number", "minimum": 0}, "high": {"type": "number", "minimum": 0}},
    "required": ["low", "high"],
    "description": "US dollars, between two bounds; null for what is not known",
}
ESTIMATE_OR_NULL: Schema = {
    "type": ["object", "null"],
    "properties": {
        "cost_usd": DOLLARS_OR_NULL,
        "basis": {"enum": ["earlier runs", "job definitions"]},
        "runs": {**COUNT, "description": "how many earlier runs"},
    },
    "required": ["cost_usd", "basis"],
}
COST: Schema = {
    "type": "object",
    "properties": {
        "cost_usd": {**DOLLARS_OR_NULL, "description": "in all, of what is known; null before anything ran"},
        **{
            f"{part}_usd": DOLLARS_OR_NULL
            for part in ("on_demand", "spot", "disks", "step_functions", "functions", "requests", "table")
        },
        "failed_attempts_usd": {**DOLLARS_OR_NULL, "description": "what attempts that failed took of it"},
        "shards": {"type": ["integer", "null"], "description": "null as long as they are not counted"},
        "notes": {**several(TEXT), "description": "what was assumed, and what is missing"},
        "region": TEXT,
        "prices_as_of": {**TEXT, "format": "date"},
        "is_settled": {**FLAG, "description": "whether this is the last word"},
        "estimate": ESTIMATE_OR_NULL,
        "estimate_error": {
            "type": ["number", "null"],
            "description": "by what part of a bound the cost is beyond the estimate, 0 within it; null in mid-run",
        },
    },
    "required": [
        *("cost_usd", "on_demand_usd", "spot_usd", "disks_usd", "failed_attempts_usd", "shards", "notes"),
        *("region", "prices_as_of", "is_settled", "estimate", "estimate_error"),
    ],
}
ENVIRONMENT: Schema = thing(
    name=TEXT,
    kind={**TEXT, "description": "EC2 (on demand) or SPOT"},
    state={"enum": ["ENABLED", "DISABLED"]},
    status={**TEXT, "description": "VALID for one that works, INVALID for one that does not; or what happens to it"},
    max_vcpus=COUNT,
    instance_types={**several(TEXT), "description": "types or families"},
)
QUEUE: Schema = thing(
    name=TEXT,
    architecture=TEXT,
    use={"enum": ["first_try", "next_tries"]},
    state={"enum": ["ENABLED", "DISABLED", "DELETED"]},
    environments={**several(ENVIRONMENT), "description": "in the order in which jobs go to them"},
    jobs={**thing(**dict.fromkeys(JOB_STATUSES, COUNT)), "description": "of all runs; ended ones for about 7 days"},
    at_least={**several({"enum": JOB_STATUSES}), "description": "states in which there may be more than was counted"},
    running_vcpus={"type": "number", "minimum": 0, "description": "what its jobs take that run or start"},
    max_vcpus={**COUNT, "description": "of its environments that work; queues may share environments"},
)
COMPONENTS: Mapping[str, Schema] = {
    "Cost": COST,
    "Doctor": thing(
        lines=several(
            thing(
                check=TEXT,
                status={"enum": ["ok", "found", "unknown"], "description": "unknown when it could not be checked"},
                sentence=TEXT,
                fix={**TEXT, "description": "what to do about it, may have several lines; empty when there is nothing"},
            )
        )
    ),
    "NewRun": NEW_RUN,
    "NewUpload": NEW_UPLOAD,
    "Run": RUN,
    "RunWithSteps": {"allOf": [ref("Run"), thing(steps=several(ref("Step")))]},
    "Step": STEP,
    "Runs": thing(runs=several(ref("Run")), next=TOKEN),
    "DryRun": thing(parameters=ANY_OBJECT, estimate=ESTIMATE_OR_NULL),
    "RunOrDryRun": {"anyOf": [ref("Run"), ref("DryRun")]},
    "Workflows": thing(
        workflows=several(
            thing(
                name=TEXT,
                title=TEXT,
                description=TEXT,
                parameters={"type": "object", "description": "a JSON Schema"},
                upload={"type": ["object", "null"]},
                outputs=several(thing(name=TEXT, title=TEXT)),
                steps=several(thing(state=TEXT, title=TEXT, fan_out=FLAG, after=several(TEXT))),
            )
        )
    ),
    "Upload": thing(
        url=TEXT,
        fields={"type": "object", "additionalProperties": TEXT},
        bucket=TEXT,
        key=TEXT,
        max_bytes=COUNT,
        expires_at=TIME_OR_NULL,
    ),
    "Tasks": thing(
        tasks=several(
            thing(
                state=TEXT,
                index=COUNT,
                status={"enum": TASK_STATUSES},
                attempts=COUNT,
                reason=TEXT_OR_NULL,
                job_id=TEXT_OR_NULL,
                log_stream=TEXT_OR_NULL,
            )
        ),
        next=TOKEN,
    ),
    "Platform": thing(queues=several(QUEUE)),
    "Log": thing(lines=several(thing(time=TIME_OR_NULL, text=TEXT)), truncated=FLAG),
    "Results": thing(
        results=several(thing(name=TEXT, title=TEXT, file_name=TEXT, bytes=COUNT, url=TEXT, expires_at=TIME_OR_NULL))
    ),
    "Problem": {
        "description": "Problem details (RFC 9457)",
        **thing(type=TEXT, title=TEXT, status=COUNT, detail=TEXT, errors=several(thing(field=TEXT, detail=TEXT))),
    },
}
