"""Answers about workflows, and uploads for them."""

import hashlib
import secrets
from typing import Any

from answer import Answer, in_seconds
from deployment import Deployment
from openapi import document
from problems import Problem, of_fields
from request import Request

from hpc import parameters
from hpc.errors import Refusal, WrongInput, WrongParameters
from hpc.objects import check_output_names
from hpc.workflows import PROJECT, Workflow

MAX_UPLOAD_BYTES = 64 * 2**20
UPLOAD_GOOD_FOR_S = 900


def list_workflows(deployment: Deployment, _: Request, _owner: str) -> Answer:
    """What there is to run; all that a form needs."""
    return Answer(200, {"workflows": [_described(workflow) for workflow in deployment.workflows.values()]})


def get_openapi(_deployment: Deployment, _request: Request, _owner: str) -> Answer:
    """The API's own description."""
    return Answer(200, document())


def create_upload(deployment: Deployment, request: Request, owner: str) -> Answer:
    """A form with which one file of at most `MAX_UPLOAD_BYTES` can be put under one key, and under no other."""
    workflow = deployment.workflow(request.body["workflow"])
    if workflow.upload is None:
        detail = f"found {workflow.name}, which takes no file; expected one that does"
        raise of_fields(422, [Refusal("workflow", detail)])
    project, file_name = request.body["project"], request.body["file_name"]
    folder = _folder(owner, request.headers.get("Idempotency-Key"))
    key = f"{workflow.upload.prefix}{project}/{folder}/{file_name}"
    values = {PROJECT: project, workflow.upload.key_parameter: key}
    _check(workflow, values, {PROJECT: "project", workflow.upload.key_parameter: "file_name"})
    bucket = deployment.stack.bucket
    post = deployment.connection.client("s3").generate_presigned_post(
        bucket,
        key,
        # botocore adds that bucket and key are these.
        Conditions=[["content-length-range", 0, MAX_UPLOAD_BYTES]],
        ExpiresIn=UPLOAD_GOOD_FOR_S,
    )
    more = {"bucket": bucket, "key": key, "max_bytes": MAX_UPLOAD_BYTES, "expires_at": in_seconds(UPLOAD_GOOD_FOR_S)}
    return Answer(201, {"url": post["url"], "fields": post["fields"], **more})


def _folder(owner: str, idempotency_key: str | None) -> str:
    """A folder of its own for each upload: what a run reads is not replaced under it.

    With a key it is the same each time, for one owner: a request that is sent again leaves no second copy behind. No
    key has a '#' in it, so no other owner and key come to the same text.
    """
    if idempotency_key is None:
        return secrets.token_hex(6)
    return hashlib.sha256(f"{owner}#{idempotency_key}".encode()).hexdigest()[:12]


def _check(workflow: Workflow, values: dict[str, Any], fields: dict[str, str]) -> None:
    """Raises Problem for a project or a file's name that a run would refuse; `fields` has what requests call them."""
    try:
        # One by one: the key has the project in it.
        for name, value in values.items():
            parameters.check_given(workflow, {name: value})
        check_output_names(workflow, values, of_file=False)
    except WrongParameters as error:
        raise of_fields(422, [Refusal(fields[each.field], each.detail) for each in error.refusals]) from error
    except WrongInput as error:
        field = fields.get(error.field or "", "file_name")
        raise Problem(422, str(error), [Refusal(field, str(error))]) from error


def _described(workflow: Workflow) -> dict[str, Any]:
    upload = workflow.upload
    return {
        "name": workflow.name,
        "title": workflow.title,
        "description": workflow.description,
        "parameters": workflow.parameters_schema,
        "upload": vars(upload) if upload else None,
        "outputs": [{"name": output.name, "title": output.title} for output in workflow.outputs],
        "steps": [
            {"state": step.state, "title": step.title, "fan_out": step.fan_out, "after": [*step.after]}
            for step in workflow.steps
        ],
    }
