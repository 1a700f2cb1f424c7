"""Groups: array jobs of up to 10,000 shards, of which only the group and what failed in it has rows.

A group's row counts its children. Of those that failed at most a hundred a group get a row, under the number of their
shard, which is in the list beside the manifest; without a list, all shards are to do and line n would be shard n. A row
of a shard that a later group has again follows that child. When a group is over, its row gets the time that its
children took, which is what they cost.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError
from platform_access import Access, Record, client, job_message
from rows import ENDED, JOB_PREFIX, is_news, job_name

FAILED_ROWS_PER_GROUP = 100
# Of 10,000 children each, which are 100 calls of ListJobs; the others' turn comes a minute later.
GROUPS_TIMED_AT_ONCE = 10
NO_LIST = ".all"  # how the key of a list that is not written ends
Task = tuple[str, int]


class Groups:
    """What the rows of a run do not say of its array jobs."""

    def __init__(self, access: Access, run_id: str, rows: Mapping[Task, Record]) -> None:
        self._access = access
        self._run_id = run_id
        self._rows = rows
        # Shards of each state whose rows this look's messages make or move: a later group's child may move them on.
        self._told: defaultdict[str, set[int]] = defaultdict(set)

    def missing(self, jobs: Sequence[Record]) -> list[dict[str, Any]]:
        """Messages of the groups among a run's jobs, and of their children that have a row or should have one.

        Those of earlier tries as well: what failed in them is told of although the rows are of the next try already.
        """
        arrays = [job["jobId"] for job in jobs if job.get("arrayProperties")]
        groups = sorted(self._access.describe_jobs(arrays), key=lambda job: job["createdAt"])
        untimed = [group["jobId"] for group in groups if self._has_no_times(group)][:GROUPS_TIMED_AT_ONCE]
        messages = []
        for group in groups:
            if group["jobId"] in untimed:
                messages.append(job_message({**group, "childSeconds": _child_seconds(group)}))
            elif self._differs(group):
                messages.append(job_message(group))
        for group in groups:
            messages += self._of_children(group)
        return messages

    def _row(self, group: Record) -> Record | None:
        state, _, index = group["jobName"].removeprefix(f"{self._run_id}-").rpartition("-")
        return self._rows.get((state, int(index)))

    def _has_no_times(self, group: Record) -> bool:
        """Whether the group is over and its row does not say yet what its children took."""
        kept = (self._row(group) or {}).get(job_name(group), {})
        return group["status"] in ENDED and "child_seconds" not in kept

    def _differs(self, group: Record) -> bool:
        row = self._row(group)
        if is_news(row, group):
            return True
        if row is None or row.get("job_id") != group["jobId"]:
            return False
        counts = {status: count for status, count in group["arrayProperties"]["statusSummary"].items() if count}
        told = {status: int(count) for status, count in row.get("counts", {}).items()}
        return told != counts

    def _of_children(self, group: Record) -> Iterator[dict[str, Any]]:
        """Of the first children that failed, and of those whose shard has a row."""
        state, failed = environment(group)["STATE"], group["arrayProperties"]["statusSummary"].get("FAILED", 0)
        rows = {index: row for (its_state, index), row in self._rows.items() if its_state == state}
        told = _children_with_end(group, rows.values())
        failed_rows = sum(status == "FAILED" for status in told.values())
        are_all_told = failed_rows >= min(failed, FAILED_ROWS_PER_GROUP)
        if are_all_told and not rows and not self._told[state]:
            return
        shards = self._shards(group)
        wanted = {child for child, shard in enumerate(shards) if shard in rows or shard in self._told[state]}
        if not are_all_told:
            wanted |= {child for child in self._failed_children(group) if child < len(shards)}
        ids = [f"{group['jobId']}:{child}" for child in sorted(wanted - told.keys())]
        for job in self._access.describe_jobs(ids):
            shard = shards[int(job["jobId"].rpartition(":")[2])]
            if is_news(rows.get(shard), job):
                self._told[state].add(shard)
                yield job_message(job, (state, shard))

    @staticmethod
    def _failed_children(group: Record) -> set[int]:
        page = client("batch").list_jobs(
            arrayJobId=group["jobId"], jobStatus="FAILED", maxResults=FAILED_ROWS_PER_GROUP
        )
        return {int(job["jobId"].rpartition(":")[2]) for job in page["jobSummaryList"]}

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


def _child_seconds(group: Record) -> dict[str, float]:
    """How long the last attempts of a group's children took, together, by how they ended."""
    pages = client("batch").get_paginator("list_jobs")
    return {
        status: sum(
            max(job["stoppedAt"] - job["startedAt"], 0) / 1000
            for page in pages.paginate(arrayJobId=group["jobId"], jobStatus=status)
            for job in page["jobSummaryList"]
            if "startedAt" in job and "stoppedAt" in job
        )
        for status in ENDED
    }


def _children_with_end(group: Record, rows: Iterable[Record]) -> dict[int, str]:
    """Status of each of a group's children whose end is in its shard's row; by its number in the group."""
    start = f":{group['jobId']}:"
    return {
        int(name.rpartition(":")[2]): job["status"]
        for row in rows
        for name, job in row.items()
        if name.startswith(JOB_PREFIX) and start in name and job["status"] in ENDED
    }


def environment(job: Record) -> dict[str, str]:
    """The variables of a job's container."""
    return {each["name"]: each["value"] for each in job["container"]["environment"]}
