"""Groups: array jobs of up to 10,000 shards, of which only the group and what failed in it has rows.

A group's row counts its children. Of those that failed at most a hundred a group get a row, under the number of their
shard, which is in the list beside the manifest; without a list, all shards are to do and line n would be shard n. A row
of a shard that a later group has again follows that child.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError
from platform_access import Access, Record, client, job_message

ENDED = ("SUCCEEDED", "FAILED")
FAILED_ROWS_PER_GROUP = 100
NO_LIST = ".all"  # how the key of a list that is not written ends
Task = tuple[str, int]


class Groups:
    """What the rows of a run do not say of its array jobs."""

    def __init__(self, access: Access, run_id: str, rows: Mapping[Task, Record]) -> None:
        self._access = access
        self._run_id = run_id
        self._rows = rows

    def missing(self, jobs: Sequence[Record]) -> list[dict[str, Any]]:
        """Messages of the groups among a run's jobs, and of their children that have a row or should have one."""
        arrays = [job["jobId"] for job in jobs if job.get("arrayProperties")]
        groups = sorted(self._access.describe_jobs(arrays), key=lambda job: job["createdAt"])
        messages = [job_message(group) for group in groups if self._differs(group)]
        for group in self._newest(groups):
            messages += self._of_children(group)
        return messages

    def _differs(self, group: Record) -> bool:
        state, _, index = group["jobName"].removeprefix(f"{self._run_id}-").rpartition("-")
        row = self._rows.get((state, int(index)))
        if row is None or row.get("job_id") != group["jobId"]:
            return row is None or str(row["version"])[:13] < f"{int(group['createdAt']):013d}"
        counts = {status: count for status, count in group["arrayProperties"]["statusSummary"].items() if count}
        told = {status: int(count) for status, count in row.get("counts", {}).items()}
        return (row["status"], told) != (group["status"], counts)

    def _newest(self, groups: Sequence[Record]) -> Iterator[Record]:
        """The groups of the latest try of each state: they name one list of shards."""
        latest = {environment(group)["STATE"]: environment(group)["SHARD_LIST_KEY"] for group in groups}
        for group in groups:
            if environment(group)["SHARD_LIST_KEY"] == latest[environment(group)["STATE"]]:
                yield group

    def _of_children(self, group: Record) -> Iterator[dict[str, Any]]:
        """Of the first children that failed, and of those whose shard has a row of an earlier job."""
        given = environment(group)
        state, summary = given["STATE"], group["arrayProperties"]["statusSummary"]
        with_rows = {index: row for (its_state, index), row in self._rows.items() if its_state == state}
        failed = summary.get("FAILED", 0)
        if not failed and not with_rows:
            return
        shards = self._shards(group)
        wanted = {child: shard for child, shard in enumerate(shards) if shard in with_rows}
        if failed:
            page = client("batch").list_jobs(
                arrayJobId=group["jobId"], jobStatus="FAILED", maxResults=FAILED_ROWS_PER_GROUP
            )
            for job in page["jobSummaryList"]:
                child = int(job["jobId"].rpartition(":")[2])
                if child < len(shards):
                    wanted[child] = shards[child]
        settled = {child for child, shard in wanted.items() if self._is_over(with_rows.get(shard), group, child)}
        ids = [f"{group['jobId']}:{child}" for child in wanted if child not in settled]
        for job in self._access.describe_jobs(ids):
            shard = wanted[int(job["jobId"].rpartition(":")[2])]
            if self._is_news(with_rows.get(shard), group, job):
                yield job_message(job, (state, shard))

    @staticmethod
    def _is_over(row: Record | None, group: Record, child: int) -> bool:
        return row is not None and row.get("job_id") == f"{group['jobId']}:{child}" and row["status"] in ENDED

    @staticmethod
    def _is_news(row: Record | None, group: Record, job: Record) -> bool:
        """A row of a later single job stays; one of this child changes with its status."""
        if row is None:
            return True
        if row.get("job_id") == job["jobId"]:
            return bool(row["status"] != job["status"])
        return str(row["version"])[:13] < f"{int(group['createdAt']):013d}"

    def _shards(self, group: Record) -> Sequence[int]:
        """The shard of each child; empty when the list has expired."""
        given = environment(group)
        line, offset = int(given["SHARD_DIGITS"]) + 1, int(given["GROUP_OFFSET"])
        size = int(group["arrayProperties"]["size"])
        if given["SHARD_LIST_KEY"].endswith(NO_LIST):
            return range(offset, offset + size)
        span = f"bytes={offset * line}-{(offset + size) * line - 1}"
        try:
            found = client("s3").get_object(Bucket=given["OUTPUT_BUCKET"], Key=given["SHARD_LIST_KEY"], Range=span)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("NoSuchKey", "AccessDenied", "InvalidObjectState"):
                raise
            return []
        return [int(number) for number in found["Body"].read().split()]


def environment(job: Record) -> dict[str, str]:
    """The variables of a job's container."""
    return {each["name"]: each["value"] for each in job["container"]["environment"]}
