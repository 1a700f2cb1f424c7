"""A double of the platform's REST API and of its S3, as one HTTP server: what the page talks to in tests.

It keeps to the API by using it: calls go by the real table of routes and through the real check of requests,
parameters through the real workflow's, refusals are the real ones, and an answer that is none of the API's schemas is
a defect that fails the test. Only what is behind it is made up: runs that move with time. Whether the page and the
platform work together, `tests/test_e2e` shows.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import flask
import yaml
from flask import Flask, Response, jsonify
from werkzeug.exceptions import NotFound
from werkzeug.serving import make_server

from hpc import errors, parameters
from hpc.workflows import PROJECT, Workflow, parse
from tests.test_docker_image.web.api_contract import API, PROBLEM, defects_of, event_of, owner_of
from tests.test_docker_image.web.platform_double import queues
from tests.test_docker_image.web.run_double import FINAL, Run, text_of
from tests.test_docker_image.web.s3_double import BUCKET, MOST_BYTES, S3Double
from tests.test_docker_image.web.signature import is_signed

WORKFLOW = Path(__file__).resolve().parents[3] / "workflows" / "string_processing" / "workflow.yaml"

Answer = tuple[int, Any]


class ApiDouble:
    """The server and all that it keeps; tests read `calls`, and make runs of every kind."""

    def __init__(self, takes_s: float = 3.0) -> None:
        self.takes_s = takes_s
        self.runs: dict[str, Run] = {}
        self.queues = queues()
        self.s3 = S3Double()
        self.started: dict[str, tuple[str, str]] = {}
        self.calls: list[tuple[str, str, dict[str, str]]] = []
        self.defects: list[str] = []
        self.answers_nothing = False
        self.is_busy = False
        self.lock = threading.Lock()
        self.url = ""
        self.workflow = yaml.safe_load(WORKFLOW.read_text())

    @contextmanager
    def serving(self) -> Iterator[ApiDouble]:
        """Serves it on 127.0.0.1; what was no answer of the API is told at the end."""
        server = make_server("127.0.0.1", 0, self.application(), threaded=True)
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
        assert self.defects == []

    @property
    def endpoint(self) -> str:
        return f"{self.url}/prod"

    def add_run(self, project: str, **attributes: Any) -> Run:
        """A run that nobody submitted through the page; it is over at once unless `takes_s` says otherwise."""
        created_at = attributes.pop("created_at", datetime.now(UTC))
        given = {
            PROJECT: project,
            "INPUT_BUCKET": BUCKET,
            "INPUT_KEY": f"uploads/{project}/lines.txt",
            "OUTPUT_BUCKET": BUCKET,
            "SPLIT_NUM": 1000,
            "architecture": "graviton",
        } | attributes.pop("parameters", {})
        run_id = f"{created_at:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        values = {"owner": "shared", "takes_s": 0.0, "shards": 4} | attributes
        self.runs[run_id] = Run(run_id=run_id, parameters=given, created_at=created_at, **values)
        return self.runs[run_id]

    def application(self) -> Flask:
        app = Flask("api_double")
        app.json.sort_keys = False  # type: ignore[attr-defined]
        app.before_request(self._look)
        app.register_error_handler(PROBLEM, _of_problem)
        app.register_error_handler(errors.HpcError, lambda error: _of_problem(API.problems.of_error(error)))
        app.register_error_handler(NotFound, lambda _: (jsonify(message="Missing Authentication Token"), 403))
        for route in API.routes.ROUTES:
            path = "/prod" + route.path.replace("{", "<").replace("}", ">")
            app.add_url_rule(path, route.operation, self._view(route), methods=[route.method])
        self.s3.install(app)
        return app

    # what API Gateway and the function's frame do

    def _look(self) -> Any:
        asked = flask.request
        if asked.path.startswith("/s3/"):
            return None
        body = asked.get_data()
        self.calls.append((asked.method, asked.full_path.rstrip("?"), dict(asked.headers)))
        if self.is_busy:
            return jsonify(message="Too Many Requests"), 429
        if self.answers_nothing:
            return Response("upstream is gone", status=503)
        if not is_signed(asked, body):
            return jsonify(message="The request signature we calculated does not match"), 403
        return None

    def _view(self, route: Any) -> Any:
        def view(**path: str) -> Any:
            status, document = getattr(self, route.operation)(API.request.parse(event_of(route, path)))
            self.defects += defects_of(f"{route.operation} {status}", document, route.answers[status])
            return jsonify(document), status

        return view

    # what the API does

    def list_workflows(self, _request: Any) -> Answer:
        described = self.described()
        answer = API.workflow_calls.list_workflows(SimpleNamespace(workflows={described.name: described}), None, "")
        return answer.status, answer.document

    def create_upload(self, request: Any) -> Answer:
        project, file_name = request.body["project"], request.body["file_name"]
        try:
            parameters.check_given(self.described(request.body["workflow"]), {PROJECT: project})
        except errors.WrongParameters as error:
            raise errors.WrongInput(error.refusals[0].detail, field="project") from error
        sent = flask.request.headers.get("Idempotency-Key")
        folder = _digest(f"{owner_of(request)}#{sent}")[:12] if sent else secrets.token_hex(6)
        key = f"uploads/{project}/{folder}/{file_name}"
        more = {"bucket": BUCKET, "key": key, "max_bytes": MOST_BYTES, "expires_at": _in(minutes=15)}
        return 201, self.s3.presigned_post(key) | more

    def create_run(self, request: Any) -> Answer:
        body, owner = request.body, owner_of(request)
        values = parameters.validate(self.described(body["workflow"]), body["parameters"])
        for name, allowed in (("INPUT_BUCKET", BUCKET), ("INPUT_KEY", "uploads/")):
            if not values[name].startswith(allowed):
                raise errors.WrongInput(f"found {values[name][:60]!r}; expected {allowed}", field=name)
        values = {"OUTPUT_BUCKET": BUCKET} | values
        shards = self.shards_of(values)
        if request.query["dry_run"]:
            return 200, {"parameters": values, "estimate": _estimate()}
        key = f"{owner}#{request.headers['Idempotency-Key']}"
        digest = _digest(json.dumps(body, sort_keys=True))
        with self.lock:
            run_id, of_digest = self.started.get(key, ("", digest))
            if digest != of_digest:
                raise errors.WrongInput(f"found it used by run {run_id}; expected a new one", field="Idempotency-Key")
            if run_id:
                return 200, self.runs[run_id].as_json()
            project = values[PROJECT]
            if any(run.status not in FINAL and run.parameters[PROJECT] == project for run in self.runs.values()):
                raise errors.Conflict(f"another run of project {project} goes on")
            run = self.add_run(project, parameters=values, takes_s=self.takes_s, shards=shards, owner=owner)
            self.started[key] = (run.run_id, digest)
        return 201, run.as_json()

    def list_runs(self, request: Any) -> Answer:
        found = sorted(self.runs.values(), key=lambda run: (run.created_at, run.run_id), reverse=True)
        for name in ("status", "workflow", "owner"):
            if wanted := request.query.get(name):
                wanted = owner_of(request) if (name, wanted) == ("owner", "me") else wanted
                found = [run for run in found if getattr(run, name) == wanted]
        if day := request.query.get("day"):
            found = [run for run in found if f"{run.created_at:%Y-%m-%d}" == day]
        page, token = _page(request, found)
        return 200, {"runs": [run.as_json() for run in page], "next": token}

    def get_run(self, request: Any) -> Answer:
        titles = {step["state"]: step["title"] for step in self.workflow["steps"]}
        run = self.run(request)
        return 200, run.as_json() | {"steps": run.steps(titles)}

    def list_tasks(self, request: Any) -> Answer:
        found = self.run(request).tasks()
        for name in ("state", "status"):
            if wanted := request.query.get(name):
                found = [task for task in found if task[name] == wanted]
        page, token = _page(request, found)
        return 200, {"tasks": page, "next": token}

    def get_log(self, request: Any) -> Answer:
        run, task = self.run(request), request.path["task"]
        if task not in {f"{each['state']}-{each['index']}" for each in run.tasks()}:
            raise PROBLEM(404, f"task: found {task!r}; expected a number after a state")
        texts = ["reads uploads/<i>lines.txt</i>", "1,000 lines, 111,000 bytes", "is done: 0.4 s"]
        time = text_of(run.created_at)
        return 200, {"lines": [{"time": time, "text": text} for text in texts], "truncated": False}

    def get_cost(self, request: Any) -> Answer:
        run = self.run(request)
        return 200, run.cost(is_settled=run.status in FINAL) | {"estimate": _estimate()}

    def get_doctor(self, request: Any) -> Answer:
        return 200, {"lines": _lines(is_waiting=self.run(request).waits)}

    def list_results(self, request: Any) -> Answer:
        run = self.own_run(request)
        if run.status != "SUCCEEDED":
            raise errors.NotSucceeded(f"run {run.run_id} is {run.status}; expected one that succeeded")
        return 200, {"results": [self.result(run, output) for output in self.described().outputs]}

    def cancel_run(self, request: Any) -> Answer:
        run = self.own_run(request)
        run.cancel()
        return 202, run.as_json()

    def resume_run(self, request: Any) -> Answer:
        run = self.own_run(request)
        if run.status not in {"FAILED", "CANCELLED"}:
            raise errors.Conflict(f"run {run.run_id} is {run.status}; expected one that failed or was cancelled")
        run.resume(self.takes_s)
        return 202, run.as_json()

    def get_platform(self, _request: Any) -> Answer:
        return 200, {"queues": self.queues}

    # parts of it

    def described(self, name: str = "string_processing") -> Workflow:
        if name != self.workflow["name"]:
            raise errors.NotFound(f"found no workflow {name!r}")
        return parse(self.workflow)

    def run(self, request: Any) -> Run:
        run_id = request.path["run_id"]
        if run_id not in self.runs:
            raise errors.NotFound(f"found no run {run_id}")
        return self.runs[run_id]

    def own_run(self, request: Any) -> Run:
        run = self.run(request)
        API.owners.check_owner(run, owner=owner_of(request), caller=request.caller, admins=())
        return run

    def shards_of(self, values: dict[str, Any]) -> int:
        body = self.s3.objects.get(values["INPUT_KEY"])
        return max(1, -(-body.count(b"\n") // values["SPLIT_NUM"])) if body else 4

    def result(self, run: Run, output: Any) -> dict[str, Any]:
        """An output, which is made now."""
        lines = self.s3.objects.get(run.parameters["INPUT_KEY"], b"abc\n").decode().splitlines()
        body = "".join((line * 2 if output.name == "repeat" else line[::-1]) + "\n" for line in lines).encode()
        file_name = f"{output.name}_lines.txt_merge"
        key = f"result/{run.run_id}/{file_name}"
        self.s3.objects[key] = body
        more = {"bytes": len(body), "url": self.s3.presigned_link(key), "expires_at": _in(minutes=15)}
        return {"name": output.name, "title": output.title, "file_name": file_name} | more


def _page(request: Any, found: list[Any]) -> tuple[list[Any], str | None]:
    token = request.query.get("next", "0")
    if not re.fullmatch("[0-9]{1,7}", token):
        raise PROBLEM(400, f"next: found {token!r}; expected the `next` of an earlier page")
    end = int(token) + request.query["limit"]
    return found[int(token) : end], str(end) if end < len(found) else None


def _estimate() -> dict[str, Any]:
    return {"cost_usd": {"low": 0.0021, "high": 0.0095}, "basis": "job definitions"}


def _lines(*, is_waiting: bool) -> list[dict[str, str]]:
    """What the checks say of a run; of one that waits, as they do of a full queue."""
    well = {"check": "Compute environments", "status": "ok", "sentence": "every queue is enabled", "fix": ""}
    unknown = {"check": "Quotas", "status": "unknown", "sentence": "could not be checked: GetServiceQuota", "fix": ""}
    sentence = "7 jobs wait for room: 1 of the 1 vCPUs of the queue <first> are taken by 1 job; expected 1 free"
    full = {
        "check": "Full queues",
        "status": "found",
        "sentence": sentence,
        "fix": "wait until others end, or\nraise it",
    }
    return [well, unknown, *([full] if is_waiting else [])]


def _in(*, minutes: int) -> str:
    return text_of(datetime.now(UTC) + timedelta(minutes=minutes))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _of_problem(problem: Any) -> Response:
    return Response(json.dumps(problem.as_json()), status=problem.status, mimetype=API.problems.CONTENT_TYPE)
