"""The job definitions that a run uses, and which code each of them runs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from hpc.connection import Connection, error_code
from hpc.errors import PlatformUnreachable
from hpc.stack import Stack
from hpc.workflows import Workflow

# By job, as DescribeJobDefinitions shows them.
Definitions = Mapping[str, Mapping[str, Any]]

IN_ECR = re.compile(
    r"(?P<account>[0-9]{12})\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/"
    r"(?P<name>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>.+))?"
)
# What ECR says of images that are not there.
MISSING = frozenset({"ImageNotFoundException", "RepositoryNotFoundException"})
# Nor does it to those who may not look.
_NO_DIGEST = MISSING | {"AccessDeniedException"}


def newest(connection: Connection, deployed: Stack, workflow: Workflow) -> Definitions:
    """The newest active revision of each job's definition, so that a push in mid-run changes nothing under the run."""
    arns = deployed.job_definitions.get(workflow.name, {})
    found = {}
    for job in workflow.jobs:
        if job not in arns:
            raise PlatformUnreachable(
                f"Stack {deployed.name}: found no job definition {job} of {workflow.name}; expected one; deploy again"
            )
        name = arns[job].rpartition("job-definition/")[2].partition(":")[0]
        pages = (
            connection.client("batch")
            .get_paginator("describe_job_definitions")
            .paginate(jobDefinitionName=name, status="ACTIVE")
        )
        revisions = [definition for page in pages for definition in page["jobDefinitions"]]
        active = [definition for definition in revisions if definition.get("status", "ACTIVE") == "ACTIVE"]
        if not active:
            raise PlatformUnreachable(
                f"Job definition {name}: found no active revision; expected one; deploy {deployed.name} again"
            )
        found[job] = max(active, key=lambda definition: int(definition["revision"]))
    return found


def arns_of(definitions: Definitions) -> dict[str, str]:
    """The definitions' ARNs with their revisions, by job."""
    return {job: str(definition["jobDefinitionArn"]) for job, definition in definitions.items()}


def code_ids(connection: Connection, definitions: Definitions) -> dict[str, str]:
    """An id of the code that each job runs: its image, command and environment. Equal ids are equal code."""
    return {job: _code_id(connection, definition["containerProperties"]) for job, definition in definitions.items()}


def _code_id(connection: Connection, container: Mapping[str, Any]) -> str:
    environment = {str(each["name"]): str(each.get("value", "")) for each in container.get("environment", [])}
    code = {
        "image": image_id(connection, str(container["image"])),
        "command": list(container.get("command", [])),
        "environment": environment,
    }
    return hashlib.sha256(json.dumps(code, sort_keys=True).encode()).hexdigest()


def image_id(connection: Connection, image: str) -> str:
    """The digest of what an image's name stands for now; the name itself where nobody tells a digest."""
    found = IN_ECR.fullmatch(image)
    if found is None or found["digest"]:
        return image
    try:
        answer = connection.client("ecr").describe_images(
            registryId=found["account"],
            repositoryName=found["name"],
            imageIds=[{"imageTag": found["tag"] or "latest"}],
        )
    except ClientError as error:
        if error_code(error) not in _NO_DIGEST:
            raise
        return image
    return str(answer["imageDetails"][0]["imageDigest"])
