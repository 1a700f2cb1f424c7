"""Answers about runs: starting, listing, looking at, ending and continuing them."""

import hashlib
import json
from dataclasses import asdict

from answer import Answer
from deployment import Deployment
from owners import own_run
from problems import of_fields
from request import Request

from hpc import parameters, submission
from hpc.cancel import cancel
from hpc.cost.report import Costs
from hpc.doctor import examine
from hpc.errors import Refusal
from hpc.objects import check_output_names
from hpc.resume import resume
from hpc.run_pages import RunFilter, page_of_runs
from hpc.submission_keys import SubmissionKey
from hpc.tasks import Tasks
from hpc.wording import quoted

# API Gateway waits 29 s; a check that has begun takes some seconds where queues have thousands of jobs.
_DOCTOR_LIMIT_S = 10.0


def create_run(deployment: Deployment, request: Request, owner: str) -> Answer:
    """Starts a run, or gives the one that was started with the same key before."""
    body = request.body
    workflow = deployment.workflow(body["workflow"])
    values = parameters.validate(workflow, body["parameters"])
    check_output_names(workflow, values, of_file=False)
    connection, stack = deployment.connection, deployment.stack
    if request.query["dry_run"]:
        checked = submission.check(connection, stack, workflow, values, overwrite=body["overwrite"])
        expected = submission.estimated(connection, stack, workflow, checked)
        estimate = expected.as_json() if expected else None
        return Answer(200, {"parameters": dict(checked.parameters), "estimate": estimate})
    if "Idempotency-Key" not in request.headers:
        described = request.route.headers["Idempotency-Key"]["description"]
        raise of_fields(400, [Refusal("Idempotency-Key", f"found nothing; expected {described}")])
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    key = SubmissionKey(owner, request.headers["Idempotency-Key"], digest)
    run, is_new = submission.submit_once(connection, stack, workflow, values, overwrite=body["overwrite"], key=key)
    return Answer(201 if is_new else 200, run.as_json())


def list_runs(deployment: Deployment, request: Request, owner: str) -> Answer:
    """A page of runs, newest first."""
    query = request.query
    wanted = RunFilter(
        status=query.get("status"),
        workflow=query.get("workflow"),
        owner=owner if query.get("owner") == "me" else query.get("owner"),
        day=query.get("day"),
    )
    page = page_of_runs(deployment.runs, wanted, limit=query["limit"], after=query.get("next"))
    if page is None:
        detail = f"found {quoted(query['next'])}; expected the `next` of an earlier page"
        raise of_fields(400, [Refusal("next", detail)])
    return Answer(200, {"runs": [run.as_json() for run in page.runs], "next": page.next})


def get_run(deployment: Deployment, request: Request, _owner: str) -> Answer:
    """A run, and how far each of its steps is."""
    run, workflow = deployment.run(request.path["run_id"])
    steps = Tasks(deployment.connection, deployment.stack, workflow, run).counts(run)
    return Answer(200, {**run.as_json(), "steps": [asdict(step) for step in steps]})


def get_cost(deployment: Deployment, request: Request, _owner: str) -> Answer:
    """A run's cost by its parts."""
    run, workflow = deployment.run(request.path["run_id"])
    return Answer(200, Costs(deployment.connection, deployment.stack, workflow).of(run))


def get_doctor(deployment: Deployment, request: Request, _owner: str) -> Answer:
    """Why a run waits, check by check."""
    run, workflow = deployment.run(request.path["run_id"])
    lines = examine(deployment.connection, deployment.stack, [workflow], run, limit_s=_DOCTOR_LIMIT_S)
    return Answer(200, {"lines": [line.as_json() for line in lines]})


def cancel_run(deployment: Deployment, request: Request, owner: str) -> Answer:
    """Asks for the run's end. Jobs take up to a minute to end, longer than API Gateway waits for an answer."""
    run = own_run(deployment, request, owner)
    deployment.connection.client("lambda").invoke(
        FunctionName=deployment.environment.function_name,
        InvocationType="Event",
        Payload=json.dumps({"cancel": {"run_id": run.run_id, "execution_arn": run.execution_arn}}),
    )
    return Answer(202, run.as_json())


def finish_cancelling(deployment: Deployment, run_id: str, execution_arn: str) -> None:
    """Ends a run and its jobs, which may take minutes; Lambda calls this again when it fails.

    That may be minutes later: the execution is named, so that a run that was resumed since is left alone.
    """
    cancel(deployment.connection, deployment.stack, run_id, say=print, execution_arn=execution_arn)


def resume_run(deployment: Deployment, request: Request, owner: str) -> Answer:
    """Continues a run in a new execution."""
    run, workflow = deployment.completed(own_run(deployment, request, owner))
    return Answer(202, resume(deployment.connection, deployment.stack, workflow, run).as_json())
