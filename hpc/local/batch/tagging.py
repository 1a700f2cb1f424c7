"""Tags of Batch's resources, by ARN."""

from typing import Any

from hpc.local.batch.compute_environments import ComputeEnvironments
from hpc.local.batch.errors import client_error
from hpc.local.batch.job_definitions import JobDefinitions
from hpc.local.batch.job_queues import JobQueues
from hpc.local.batch.job_store import JobStore
from hpc.local.batch.model import Job
from hpc.local.batch.values import required_text, tags, text_list, text_map

Record = dict[str, Any]


class Tagging:
    """TagResource, UntagResource and ListTagsForResource for environments, queues, definitions and jobs."""

    def __init__(
        self, environments: ComputeEnvironments, queues: JobQueues, definitions: JobDefinitions, store: JobStore
    ) -> None:
        self._environments = environments
        self._queues = queues
        self._definitions = definitions
        self._store = store

    def tag(self, request: Record) -> Record:
        found, owner = self._find(request)
        self._set(owner, tags({**found, **text_map(request.get("tags"), "tags")}))
        return {}

    def untag(self, request: Record) -> Record:
        found, owner = self._find(request)
        keys = text_list(request.get("tagKeys"), "tagKeys")
        self._set(owner, {key: value for key, value in found.items() if key not in keys})
        return {}

    def list_tags(self, request: Record) -> Record:
        found, _ = self._find(request)
        return {"tags": dict(found)}

    @staticmethod
    def _set(owner: Job | Record, changed: dict[str, str]) -> None:
        """A new map: children of an array job share their parent's until one of them gets its own."""
        if isinstance(owner, Job):
            owner.tags = changed
        else:
            owner["tags"] = changed

    def _find(self, request: Record) -> tuple[dict[str, str], Job | Record]:
        arn = required_text(request, "resourceArn")
        job = self._store.get(arn.rpartition("/")[2])
        if job is not None and job.arn == arn:
            return job.tags, job
        record = self._environments.records.get(arn) or self._queues.records.get(arn) or self._definitions.find(arn)
        if record is None:
            raise client_error(f"Resource {arn} not found.")
        return record["tags"], record
