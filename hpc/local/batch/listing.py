"""ListJobs: jobs of a queue (by status or by one filter, newest first) or children of an array job, page by page.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html
"""

import heapq
from collections.abc import Callable
from typing import Any

from hpc.local.batch.errors import client_error, unsupported
from hpc.local.batch.job_queues import JobQueues
from hpc.local.batch.job_store import JobStore
from hpc.local.batch.job_views import summary
from hpc.local.batch.model import RUNNING, STATUSES, Job
from hpc.local.batch.support import check_fields
from hpc.local.batch.values import choice, integer, make_token, page_size, read_token, required_text

_MAX_BY_STATUS = 1000
_MAX_BY_FILTER = 100


def list_jobs(request: dict[str, Any], queues: JobQueues, store: JobStore) -> dict[str, Any]:
    """Answers ListJobs; without a status or a filter only RUNNING jobs are listed."""
    check_fields("ListJobs", request)
    if bool(request.get("jobQueue")) == bool(request.get("arrayJobId")):
        raise client_error("ListJobs needs one of jobQueue and arrayJobId, and only one.")
    if request.get("arrayJobId"):
        return _children(request, store)
    queue_arn = queues.find(required_text(request, "jobQueue"))["jobQueueArn"]
    filters = request.get("filters") or []
    if len(filters) > 1:
        raise client_error(f"filters must have one entry, found {len(filters)}.")
    matches = _filter(filters[0]) if filters else _every
    statuses = STATUSES if filters else (_status(request),)  # with a filter `jobStatus` is ignored
    size = page_size(request, _MAX_BY_FILTER if filters else _MAX_BY_STATUS)
    before = read_token(request.get("nextToken"))
    candidates = (
        job for job in store.in_queue(queue_arn, statuses) if (before is None or job.sequence < before) and matches(job)
    )
    found = heapq.nlargest(size + 1, candidates, key=lambda job: job.sequence)
    rest = {"nextToken": make_token(found[size - 1].sequence)} if len(found) > size else {}
    return {"jobSummaryList": [summary(job) for job in found[:size]], **rest}


def _children(request: dict[str, Any], store: JobStore) -> dict[str, Any]:
    """Children of one status by index; a page goes on where the one before it ended."""
    if request.get("filters"):
        raise client_error("filters do not apply to the children of an array job: use jobStatus.")
    parent = store.get(required_text(request, "arrayJobId"))
    children = parent.array.children if parent is not None and parent.array is not None else []
    status, size = _status(request), page_size(request, _MAX_BY_STATUS)
    found: list[Job] = []
    for index in range(read_token(request.get("nextToken")) or 0, len(children)):
        child = children[index]
        if child is None or child.status != status:
            continue
        if len(found) == size:
            return {"jobSummaryList": [summary(job) for job in found], "nextToken": make_token(index)}
        found.append(child)
    return {"jobSummaryList": [summary(job) for job in found]}


def _status(request: dict[str, Any]) -> str:
    return choice(request.get("jobStatus") or RUNNING, "jobStatus", STATUSES)


def _every(_: Job) -> bool:
    return True


def _filter(entry: dict[str, Any]) -> Callable[[Job], bool]:
    name = required_text(entry, "name")
    values = entry.get("values") or []
    if len(values) != 1 or not isinstance(values[0], str) or not values[0]:
        raise client_error(f"filters.values must have one text, found {values!r}.")
    value: str = values[0]
    match name:
        case "JOB_NAME":
            return _text_filter(value.lower(), lambda job: job.name.lower())
        case "JOB_DEFINITION" if value.startswith("arn:"):
            return lambda job: bool(job.definition["jobDefinitionArn"] == value)
        case "JOB_DEFINITION":
            return _text_filter(value, lambda job: str(job.definition["jobDefinitionName"]))
        case "BEFORE_CREATED_AT":
            before = _milliseconds(value)
            return lambda job: job.created_at < before
        case "AFTER_CREATED_AT":
            after = _milliseconds(value)
            return lambda job: job.created_at > after
        case _:
            raise unsupported(f"filters.name {name}")


def _text_filter(value: str, text_of: Callable[[Job], str]) -> Callable[[Job], bool]:
    """Equal, or with a `*` at the end of the value: beginning with what stands before it."""
    if value.endswith("*"):
        return lambda job: text_of(job).startswith(value[:-1])
    return lambda job: text_of(job) == value


def _milliseconds(value: str) -> int:
    return integer(value, "filters.values", minimum=0, maximum=10**17)
