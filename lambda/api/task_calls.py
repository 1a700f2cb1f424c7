"""Answers about what a run is made of: its tasks, their logs, its results."""

from collections.abc import Iterable

from answer import Answer, in_seconds
from deployment import Deployment
from owners import own_run
from problems import Problem
from request import Request

from hpc.logs import LogLine, Logs
from hpc.outputs import download_url, stored_outputs
from hpc.tasks import Tasks
from hpc.wording import quoted

MAX_LINES = 1000
MAX_LINE_CHARACTERS = 4000
# A function may answer 6 MB, and a character may take six bytes in JSON.
MAX_LOG_CHARACTERS = 800_000
RESULTS_GOOD_FOR_S = 900


def list_tasks(deployment: Deployment, request: Request, _owner: str) -> Answer:
    """A page of tasks; `next` is the number of the first task that follows."""
    query = request.query
    run, workflow = deployment.run(request.path["run_id"])
    start = int(query.get("next", "0"))
    tasks = [
        task
        for task in Tasks(deployment.connection, deployment.stack, workflow, run).all()
        if query.get("state") in {None, task.state} and query.get("status") in {None, task.status}
    ]
    end = start + query["limit"]
    found = [task.as_json() for task in tasks[start:end]]
    return Answer(200, {"tasks": found, "next": str(end) if end < len(tasks) else None})


def get_log(deployment: Deployment, request: Request, _owner: str) -> Answer:
    """The end of what a task wrote."""
    run, workflow = deployment.run(request.path["run_id"])
    state, _, index = request.path["task"].rpartition("-")
    if workflow.step(state) is None:
        known = ", ".join(step.state for step in workflow.steps)
        raise Problem(404, f"task: found {quoted(request.path['task'])}; expected a number after one of {known}")
    tail = Logs(deployment.connection, deployment.stack, workflow, run).tail(state, int(index), MAX_LINES)
    lines = _fitting(tail.lines)
    return Answer(
        200,
        {
            "lines": [{"time": line.time, "text": line.text[:MAX_LINE_CHARACTERS]} for line in lines],
            "truncated": tail.truncated or len(lines) < len(tail.lines),
        },
    )


def list_results(deployment: Deployment, request: Request, owner: str) -> Answer:
    """The outputs, with URLs that work for whoever has them: so only the owner gets them."""
    run, workflow = deployment.completed(own_run(deployment, request, owner))
    found = stored_outputs(deployment.connection, deployment.stack, workflow, run)
    expires_at = in_seconds(RESULTS_GOOD_FOR_S)
    results = [
        {
            "name": output.name,
            "title": output.title,
            "file_name": output.file_name,
            "bytes": output.bytes,
            "url": download_url(deployment.connection, output, expires_s=RESULTS_GOOD_FOR_S),
            "expires_at": expires_at,
        }
        for output in found
    ]
    return Answer(200, {"results": results})


def _fitting(lines: Iterable[LogLine]) -> list[LogLine]:
    """The last lines that fit into an answer."""
    found: list[LogLine] = []
    room = MAX_LOG_CHARACTERS
    for line in reversed(tuple(lines)):
        room -= min(len(line.text), MAX_LINE_CHARACTERS)
        if room < 0:
            break
        found.append(line)
    return found[::-1]
