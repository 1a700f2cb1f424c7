"""The one table of what can be called. API Gateway's methods, the dispatch and /openapi.json are made from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas import IDEMPOTENCY_KEY, RUN_ID, STATUSES, TASK, TASK_STATUSES

Schema = Mapping[str, Any]

PATH_PARAMETERS: Mapping[str, Schema] = {
    "run_id": {"type": "string", "pattern": RUN_ID, "description": "a run's id such as 20260131-093000-1a2b3c"},
    "task": {"type": "string", "pattern": TASK, "description": "a task such as String_Repeat-3"},
}
LIMIT: Schema = {
    "type": "integer",
    "minimum": 1,
    "maximum": 100,
    "default": 50,
    "description": "a whole number from 1 to 100",
}
NEXT: Schema = {
    "type": "string",
    "pattern": r"^[A-Za-z0-9_=-]{0,2000}$",
    "description": "the `next` of the page before",
}
NEXT_TASKS: Schema = {**NEXT, "pattern": r"^[0-9]{1,7}$"}
# No name of IAM's has other characters.
# Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
OWNER: Schema = {
    "type": "string",
    "pattern": r"^[!-~]{0,2048}$",
    "description": "an owner, or `me` for the caller",
}


def idempotency_key(use: str) -> Mapping[str, Schema]:
    """The header with which a request can be sent again; `use` is what the key is for."""
    allowed = "1 to 128 of A-Z, a-z, 0-9, '_' and '-'"
    return {"Idempotency-Key": {"type": "string", "pattern": IDEMPOTENCY_KEY, "description": f"{allowed}, {use}"}}


def one_of(values: Sequence[str]) -> Schema:
    return {"type": "string", "enum": values, "description": f"one of {', '.join(values)}"}


@dataclass(frozen=True)
class Route:
    """One call; `operation` is the name of the function that answers it, `answers` has schemas by status."""

    method: str
    path: str
    operation: str
    summary: str
    answers: Mapping[int, str]
    query: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, Schema] = field(default_factory=dict)
    body: str | None = None
    refusals: tuple[int, ...] = ()

    @property
    def path_parameters(self) -> tuple[str, ...]:
        return tuple(name for name in PATH_PARAMETERS if f"{{{name}}}" in self.path)


ROUTES = (
    Route("GET", "/workflows", "list_workflows", "The workflows that can be run", {200: "Workflows"}),
    Route(
        "POST",
        "/uploads",
        "create_upload",
        "A presigned POST for a small input file",
        {201: "Upload"},
        headers=idempotency_key("for the same place each time; without it each upload has a place of its own"),
        body="NewUpload",
        refusals=(404, 413, 422),
    ),
    Route(
        "POST",
        "/runs",
        "create_run",
        "Starts a run, once for each key; or only says whether it could be started",
        {201: "Run", 200: "RunOrDryRun"},
        query={"dry_run": {"type": "boolean", "default": False, "description": "true or false"}},
        headers=idempotency_key("new for each run; not needed for a dry run"),
        body="NewRun",
        refusals=(404, 409, 413, 422),
    ),
    Route(
        "GET",
        "/runs",
        "list_runs",
        "Runs, newest first",
        {200: "Runs"},
        query={
            "status": one_of(STATUSES),
            "workflow": {"type": "string", "maxLength": 80, "description": "a workflow's name"},
            "owner": OWNER,
            "day": {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "description": "a day (UTC)"},
            "limit": LIMIT,
            "next": NEXT,
        },
    ),
    Route("GET", "/runs/{run_id}", "get_run", "A run and its steps", {200: "RunWithSteps"}, refusals=(404, 422)),
    Route(
        "GET",
        "/runs/{run_id}/tasks",
        "list_tasks",
        "The tasks of a run, in the order of its steps",
        {200: "Tasks"},
        query={
            "state": {"type": "string", "maxLength": 80, "description": "a step's state"},
            "status": one_of(TASK_STATUSES),
            "limit": LIMIT,
            "next": NEXT_TASKS,
        },
        refusals=(404, 422),
    ),
    Route(
        "GET",
        "/runs/{run_id}/tasks/{task}/log",
        "get_log",
        "The last 1,000 lines that a task wrote",
        {200: "Log"},
        refusals=(404, 422),
    ),
    Route(
        "GET",
        "/runs/{run_id}/cost",
        "get_cost",
        "What a run costs on AWS, so far or in the end, beside what was expected",
        {200: "Cost"},
        refusals=(404, 422),
    ),
    Route(
        "GET",
        "/runs/{run_id}/doctor",
        "get_doctor",
        "Why a run waits: what was checked, what was found and what to do about it",
        {200: "Doctor"},
        refusals=(404, 422),
    ),
    Route(
        "GET",
        "/runs/{run_id}/results",
        "list_results",
        "The outputs of a run that succeeded, each with a URL that is good for minutes",
        {200: "Results"},
        refusals=(404, 409, 422),
    ),
    Route(
        "POST",
        "/runs/{run_id}/cancel",
        "cancel_run",
        "Ends a run and its jobs, which takes up to some minutes",
        {202: "Run"},
        refusals=(404,),
    ),
    Route(
        "POST",
        "/runs/{run_id}/resume",
        "resume_run",
        "Continues a run that failed or was cancelled",
        {202: "Run"},
        refusals=(404, 409, 422),
    ),
    Route(
        "GET",
        "/platform",
        "get_platform",
        "The job queues, with their compute environments and how many jobs are in which state",
        {200: "Platform"},
    ),
    Route("GET", "/openapi.json", "get_openapi", "This description", {200: "OpenApi"}),
)


def route_of(method: str, path: str) -> Route:
    """The route of a method and of a path with `{names}`; KeyError for one that API Gateway should not have passed."""
    return {(route.method, route.path): route for route in ROUTES}[method, path]
