"""Tags of Batch's resources, by ARN."""

from typing import Any

from hpc.local.batch.compute_environments import ComputeEnvironments
from hpc.local.batch.errors import client_error
from hpc.local.batch.job_definitions import JobDefinitions
from hpc.local.batch.job_queues import JobQueues
from hpc.local.batch.job_store import JobStore
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
        found = self._tags(request)
        found.update(tags({**found, **text_map(request.get("tags"), "tags")}))
        return {}

    def untag(self, request: Record) -> Record:
        found = self._tags(request)
        for key in text_list(request.get("tagKeys"), "tagKeys"):
            found.pop(key, None)
        return {}

    def list_tags(self, request: Record) -> Record:
        return {"tags": dict(self._tags(request))}

    def _tags(self, request: Record) -> dict[str, str]:
        arn = required_text(request, "resourceArn")
        job = self._store.get(arn.rpartition("/")[2])
        if job is not None and job.arn == arn:
            return job.tags
        record = self._environments.records.get(arn) or self._queues.records.get(arn) or self._definitions.find(arn)
        if record is None:
            raise client_error(f"Resource {arn} not found.")
        found: dict[str, str] = record["tags"]
        return found
