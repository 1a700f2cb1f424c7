"""SubmitJob: a checked request and its definition become a job."""

import json
import re
import uuid
from typing import Any

from hpc.local.batch import resources
from hpc.local.batch.arns import Arns
from hpc.local.batch.errors import client_error
from hpc.local.batch.job_definitions import timeout_s
from hpc.local.batch.model import SUBMITTED, Array, Job, child_of
from hpc.local.batch.retry import RetryStrategy
from hpc.local.batch.support import check_fields
from hpc.local.batch.values import boolean, copied, environment, integer, required_text, tags, text_list, text_map

#: Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html
_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
#: Source: https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html
_MAX_PAYLOAD_BYTES = 30 * 1024
_MAX_ARRAY_SIZE = 10_000


def check_request(request: dict[str, Any]) -> None:
    """Raises BatchError (ClientException) for what no queue and no definition could make right."""
    check_fields("SubmitJob", request)
    check_fields("containerOverrides", request.get("containerOverrides"), path="containerOverrides.")
    name = required_text(request, "jobName")
    if not _JOB_NAME.fullmatch(name):
        raise client_error(f"Job name should match valid pattern {_JOB_NAME.pattern}, found {name!r}.")
    size = len(json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode())
    if size > _MAX_PAYLOAD_BYTES:
        raise client_error(f"A SubmitJob request must be at most {_MAX_PAYLOAD_BYTES} bytes, found {size}.")


def array_size(request: dict[str, Any]) -> int | None:
    """The size of an array job, None for another job.

    Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ArrayProperties.html
    """
    value = request.get("arrayProperties") or {}
    check_fields("arrayProperties", value, path="arrayProperties.")
    if value.get("size") is None:
        return None
    return integer(value["size"], "arrayProperties.size", minimum=2, maximum=_MAX_ARRAY_SIZE)


def new_job(
    request: dict[str, Any],
    *,
    definition: dict[str, Any],
    queue_arn: str,
    arns: Arns,
    sequence: int,
    created_at: int,
    depends_on: tuple[dict[str, str], ...],
) -> Job:
    """The job of a checked request, with its children; raises BatchError (ClientException) for a bad combination."""
    overrides = request.get("containerOverrides") or {}
    container = definition["containerProperties"]
    asked = resources.requirements(container, overrides)
    parsed = resources.parse(asked, fargate=definition["platformCapabilities"] == ["FARGATE"])
    command = text_list(overrides.get("command"), "containerOverrides.command")
    if not command and not container.get("command"):
        raise client_error("The job has no command: the laptop platform does not take one from an image yet.")
    timeout = request.get("timeout") or definition.get("timeout")
    retry_strategy = request.get("retryStrategy") or definition.get("retryStrategy")
    RetryStrategy.parse(retry_strategy)
    propagate_tags = request.get("propagateTags")
    if propagate_tags is None:
        propagate_tags = definition.get("propagateTags", False)
    job_id = str(uuid.uuid4())
    job = Job(
        job_id=job_id,
        arn=arns.batch("job", job_id),
        name=request["jobName"],
        sequence=sequence,
        queue_arn=queue_arn,
        definition=definition,
        created_at=created_at,
        command=command,
        environment=environment(overrides.get("environment"), "containerOverrides.environment"),
        resource_requirements=asked if overrides else [],
        parameters=text_map(request.get("parameters"), "parameters"),
        timeout_s=timeout_s(timeout) if timeout else None,
        retry_strategy=copied(retry_strategy),
        tags=tags(request.get("tags")),
        propagate_tags=boolean(propagate_tags, "propagateTags"),
        asked=parsed,
        depends_on=depends_on,
    )
    size = array_size(request)
    if size is not None:
        job.array = Array(size, [child_of(job, index) for index in range(size)])
        job.array.counts[SUBMITTED] = size
    return job


def command_line(job: Job) -> list[str]:
    """The job's command with its parameters in place; a placeholder without a value stays as it is.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_definition_parameters.html#parameters
    """
    parameters = {**job.definition["parameters"], **job.parameters}
    words = job.command or job.definition["containerProperties"]["command"]
    return [parameters.get(word.removeprefix("Ref::"), word) if word.startswith("Ref::") else word for word in words]
