"""What a task's row says of a job, held against the job as Batch has it; a row is written by Record_Event only."""

from platform_access import Record

ENDED = ("SUCCEEDED", "FAILED")
JOB_PREFIX = "job:"
# Where Record_Event cuts a reason.
LONGEST_REASON = 300


def job_name(job: Record) -> str:
    """The attribute of a task's row that holds this job."""
    return f"{JOB_PREFIX}{int(job['createdAt']):013d}:{job['jobId']}"


def knows_end(row: Record | None, job: Record) -> bool:
    """Whether a row has the job with its end, which does not change any more."""
    kept = (row or {}).get(job_name(job))
    return bool(job["status"] in ENDED and kept and kept["status"] == job["status"] and _points_at_or_past(row, job))


def is_as_told(row: Record | None, job: Record) -> bool:
    """Whether a row already says of its newest job what Batch says."""
    if row is None or row.get("job_id") != job["jobId"]:
        return knows_end(row, job)
    ended = sum(1 for attempt in job.get("attempts") or [] if attempt.get("stoppedAt"))
    status = "PENDING" if job["status"] == "SUBMITTED" else job["status"]
    told = sum(1 for attempt in row.get(job_name(job), {}).get("attempts", []) if attempt.get("stopped_at"))
    return (row["status"], told) == (status, ended) and _says_why(row, job)


def is_news(row: Record | None, job: Record) -> bool:
    """Whether a row has yet to be told of a job: of one before its newest only how it ended."""
    if row is None:
        return True
    if row.get("job_id") == job["jobId"] or job["status"] in ENDED:
        return not is_as_told(row, job)
    return _is_before(row, job)


def _says_why(row: Record, job: Record) -> bool:
    """Whether the row has the reason for which a job waits: no event tells of one that Batch finds while it does."""
    reason = str(job.get("statusReason") or "")[:LONGEST_REASON]
    return job["status"] in ENDED or row.get("reason", "") == reason


def _is_before(row: Record, job: Record) -> bool:
    """Whether a job is later than all that its task's row tells of."""
    return str(row["version"])[:13] < f"{int(job['createdAt']):013d}"


def _points_at_or_past(row: Record | None, job: Record) -> bool:
    """Whether the row's newest job is this one or a later one, and if it is this one, is over as well."""
    if row is None:
        return False
    if row.get("job_id") == job["jobId"]:
        return bool(row["status"] == job["status"])
    return not _is_before(row, job)
