"""Job queues: priority, the order of their compute environments, and time limits of jobs that block them."""

from typing import Any

from hpc.local.batch.arns import Arns
from hpc.local.batch.compute_environments import ComputeEnvironments
from hpc.local.batch.errors import client_error, unsupported
from hpc.local.batch.support import check_fields
from hpc.local.batch.values import choice, copied, integer, new_name, page, required_text, tags

Record = dict[str, Any]

KIND = "job-queue"
_STATES = ("ENABLED", "DISABLED")
#: Source: https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html
_MAX_ENVIRONMENTS = 3


class JobQueues:
    """The records of all job queues in the shape of DescribeJobQueues, by ARN."""

    def __init__(self, arns: Arns, environments: ComputeEnvironments) -> None:
        self._arns = arns
        self._environments = environments
        self.records: dict[str, Record] = {}

    def create(self, request: Record) -> Record:
        """CreateJobQueue; VALID at once."""
        check_fields("CreateJobQueue", request)
        name = new_name(request, "jobQueueName")
        arn = self._arns.batch(KIND, name)
        if arn in self.records:
            raise client_error(f"Object already exists: {name}")
        if request.get("jobQueueType") not in (None, "ECS", "ECS_FARGATE"):
            raise unsupported(f"jobQueueType {request['jobQueueType']}")
        self.records[arn] = {
            "jobQueueName": name,
            "jobQueueArn": arn,
            "state": choice(request.get("state") or "ENABLED", "state", _STATES),
            "status": "VALID",
            "statusReason": "JobQueue Healthy",
            "priority": _priority(request.get("priority")),
            "computeEnvironmentOrder": self._order(request.get("computeEnvironmentOrder")),
            "jobStateTimeLimitActions": _time_limit_actions(request.get("jobStateTimeLimitActions")),
            "tags": tags(request.get("tags")),
        }
        return {"jobQueueName": name, "jobQueueArn": arn}

    def update(self, request: Record) -> Record:
        """UpdateJobQueue; jobs that are in a queue when it is disabled still run."""
        check_fields("UpdateJobQueue", request)
        record = self.find(required_text(request, "jobQueue"))
        changes: Record = {}
        if request.get("state"):
            changes["state"] = choice(request["state"], "state", _STATES)
        if request.get("priority") is not None:
            changes["priority"] = _priority(request["priority"])
        if request.get("computeEnvironmentOrder"):
            changes["computeEnvironmentOrder"] = self._order(request["computeEnvironmentOrder"])
        if request.get("jobStateTimeLimitActions") is not None:
            changes["jobStateTimeLimitActions"] = _time_limit_actions(request["jobStateTimeLimitActions"])
        record.update(changes)
        return {key: record[key] for key in ("jobQueueName", "jobQueueArn")}

    def describe(self, request: Record) -> Record:
        """DescribeJobQueues; what does not exist is left out."""
        wanted = [self.arn(reference) for reference in request.get("jobQueues") or []] or list(self.records)
        found, rest = page([self.records[arn] for arn in wanted if arn in self.records], request)
        return {"jobQueues": copied(found), **rest}

    def check_deletable(self, reference: str) -> str | None:
        """The ARN of the queue to delete, None when it is gone already; only a disabled one, as on AWS."""
        record = self.records.get(self.arn(reference))
        if record is None:
            return None
        if record["state"] != "DISABLED":
            raise client_error("Cannot delete, job queue must be disabled")
        return str(record["jobQueueArn"])

    def find(self, reference: str) -> Record:
        """The record of a name or ARN; raises BatchError (ClientException) when there is none."""
        record = self.records.get(self.arn(reference))
        if record is None:
            raise client_error(f"JobQueue {reference} not found.")
        return record

    def for_submission(self, reference: str) -> Record:
        """The record of a queue that takes jobs: ENABLED and VALID."""
        record = self.find(reference)
        if (record["state"], record["status"]) != ("ENABLED", "VALID"):
            found = f"{record['state']} and {record['status']}"
            raise client_error(f"JobQueue {reference} takes no jobs: it is {found}, not ENABLED and VALID.")
        return record

    def uses(self, environment_arn: str) -> bool:
        """Whether a queue names the compute environment."""
        return any(
            entry["computeEnvironment"] == environment_arn
            for record in self.records.values()
            for entry in record["computeEnvironmentOrder"]
        )

    def arn(self, reference: str) -> str:
        """The ARN that a name or ARN stands for, whether it exists or not."""
        return self._arns.batch(KIND, self._arns.name(KIND, reference))

    def _order(self, value: Any) -> list[Record]:
        entries = value if isinstance(value, list) else []
        if not 1 <= len(entries) <= _MAX_ENVIRONMENTS:
            found = f"found {len(entries)}"
            raise client_error(f"computeEnvironmentOrder must have 1 to {_MAX_ENVIRONMENTS} entries, {found}.")
        order = [
            {
                "order": integer(entry.get("order"), "computeEnvironmentOrder.order", minimum=0, maximum=10**6),
                "computeEnvironment": self._environments.find(required_text(entry, "computeEnvironment"))[
                    "computeEnvironmentArn"
                ],
            }
            for entry in entries
        ]
        return sorted(order, key=lambda entry: int(entry["order"]))


def _priority(value: Any) -> int:
    return integer(value, "priority", minimum=0, maximum=10**6)


def _time_limit_actions(value: Any) -> list[Record]:
    """Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_JobStateTimeLimitAction.html"""
    field = "jobStateTimeLimitActions"
    return [
        {
            "reason": required_text(action, "reason"),
            "state": choice(action.get("state"), f"{field}.state", ("RUNNABLE",)),
            "maxTimeSeconds": integer(
                action.get("maxTimeSeconds"), f"{field}.maxTimeSeconds", minimum=600, maximum=86_400
            ),
            "action": choice(action.get("action"), f"{field}.action", ("CANCEL",)),
        }
        for action in value or []
    ]
