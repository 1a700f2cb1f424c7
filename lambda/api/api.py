"""The function behind the REST API: finds the call's route, checks it, answers it."""

import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any

from answer import Answer, of_problem
from deployment import Deployment
from owners import owner_of
from platform_calls import get_platform
from problems import Problem, of_error
from request import Request, parse
from run_calls import (
    cancel_run,
    create_run,
    finish_cancelling,
    get_cost,
    get_doctor,
    get_run,
    list_runs,
    resume_run,
)
from task_calls import get_log, list_results, list_tasks
from workflow_calls import create_upload, get_openapi, list_workflows

from hpc.errors import HpcError

_LOG = logging.getLogger(__name__)
_OPERATIONS: Mapping[str, Callable[[Deployment, Request, str], Answer]] = {
    operation.__name__: operation
    for operation in (
        list_workflows,
        create_upload,
        create_run,
        list_runs,
        get_run,
        get_cost,
        get_doctor,
        list_tasks,
        get_log,
        list_results,
        cancel_run,
        resume_run,
        get_platform,
        get_openapi,
    )
}


@functools.cache
def _deployment() -> Deployment:
    return Deployment.here()


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any] | None:
    """Answers a call of API Gateway's, or goes on with what an earlier call began (only Lambda itself sends that)."""
    if "cancel" in event:
        finish_cancelling(_deployment(), **event["cancel"])
        return None
    return answer(_deployment, event, context).as_proxy_response()


def answer(deployment: Callable[[], Deployment], event: Mapping[str, Any], context: Any) -> Answer:
    """The call's answer, whatever happens."""
    try:
        request = parse(event)
        here = deployment()
        owner = owner_of(request.caller, request.owner_header, trusted_roles=here.environment.trusted_roles)
        return _OPERATIONS[request.route.operation](here, request, owner)
    except Problem as problem:
        return of_problem(problem)
    except HpcError as error:
        return of_problem(of_error(error))
    except Exception:  # noqa: BLE001 -- the log has the reason, the caller has no business with it
        _LOG.exception("%s %s failed", event.get("httpMethod"), event.get("resource"))
        said = f"Something went wrong here. The platform's log tells more: request {context.aws_request_id}"
        return of_problem(Problem(500, said))
