"""A double of the platform's REST API and of its S3, as one HTTP server: what the page talks to in tests.

It follows the API's contract: it refuses calls whose SigV4 signature is wrong, checks parameters against the real
`workflow.yaml`, takes presigned POSTs with their policy's limits, and its runs move with time. What it cannot show is
whether the real API keeps to the contract: `tests/test_e2e` does.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from flask import Flask, Response, jsonify, request
from werkzeug.serving import make_server

REGION = "eu-central-1"
CREDENTIALS = Credentials("AKIAPAGETESTS0000000", "page-tests-secret")
BUCKET = "production-abc-data"
MOST_BYTES = 1_000_000
WORKFLOW = Path(__file__).resolve().parents[3] / "workflows" / "string_processing" / "workflow.yaml"
TASK_STATUSES = {"PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"}
FINAL = {"SUCCEEDED", "FAILED", "CANCELLED"}


@dataclass
class Run:
    """A run; how far it is follows from the time since it began, unless a test says otherwise by `status`."""

    run_id: str
    parameters: dict[str, Any]
    owner: str
    created_at: datetime
    takes_s: float
    shards: int
    workflow: str = "string_processing"
    fails: bool = False
    status_said: str = ""
    stopped_at: datetime | None = None
    reasons: list[str] = field(default_factory=list)
    resumes: int = 0

    @property
    def share(self) -> float:
        """How far it is, from 0 to 1."""
        end = self.stopped_at or datetime.now(UTC)
        return min(1.0, (end - self.created_at).total_seconds() / self.takes_s) if self.takes_s else 1.0

    @property
    def status(self) -> str:
        if self.status_said:
            return self.status_said
        if self.share >= 1:
            return "FAILED" if self.fails else "SUCCEEDED"
        return "RUNNING" if self.share > 0.05 else "PENDING"

    def tasks(self) -> list[dict[str, Any]]:
        """All tasks: each step has a fifth of the time, the branches the same one."""
        found = []
        for state, count, begins, ends in (
            ("String_Split", 1, 0.0, 0.2),
            ("String_Repeat", self.shards, 0.2, 0.8),
            ("String_Reverse", self.shards, 0.3, 0.85),
            ("String_Repeat_Merge", 1, 0.8, 0.95),
            ("String_Reverse_Merge", 1, 0.85, 1.0),
        ):
            for index in range(count):
                width = (ends - begins) / count
                start = begins + index * width
                status = "SUCCEEDED" if self.share >= start + width else "RUNNING" if self.share > start else "PENDING"
                failed = self.fails and (state, index) == ("String_Repeat", self.shards - 1) and status == "SUCCEEDED"
                if self.fails and state == "String_Repeat_Merge":
                    status = "PENDING"
                found.append(
                    {
                        "state": state,
                        "index": index,
                        "status": "FAILED" if failed else status,
                        "attempts": 3 if failed else 0 if status == "PENDING" else 1,
                        "reason": "line 7 is longer than 64 MiB; <b>found</b> 70000000 bytes" if failed else None,
                        "job_id": f"job-{state}-{index}",
                        "log_stream": None if status == "PENDING" else f"{state}/default/{index}",
                    }
                )
        return found

    def as_json(self) -> dict[str, Any]:
        final = self.status in FINAL
        stopped = self.stopped_at or self.created_at + timedelta(seconds=self.takes_s)
        reasons = self.reasons or (["String_Repeat-3: line 7 is longer than 64 MiB"] if self.status == "FAILED" else [])
        return {
            "run_id": self.run_id,
            "workflow": self.workflow,
            "project": self.parameters["ProjectNo"],
            "status": self.status,
            "owner": self.owner,
            "created_at": text_of(self.created_at),
            "started_at": None if self.status == "PENDING" else text_of(self.created_at + timedelta(seconds=0.2)),
            "stopped_at": text_of(stopped) if final else None,
            "parameters": self.parameters,
            "reasons": reasons,
            "reason_count": len(reasons),
            "resumes": self.resumes,
        }

    def steps(self, titles: dict[str, str]) -> list[dict[str, Any]]:
        tasks = self.tasks()
        counted = []
        for state, title in titles.items():
            own = [task["status"] for task in tasks if task["state"] == state]
            known = state == "String_Split" or self.share > 0.2
            counts = {name.lower(): own.count(name) for name in ("SUCCEEDED", "FAILED", "RUNNING")}
            counted.append({"state": state, "title": title, "total": len(own) if known else None} | counts)
        return counted


class Refused(Exception):
    """What the API answers with problem details."""

    def __init__(self, status: int, title: str, detail: str = "", errors: dict[str, str] | None = None) -> None:
        self.status = status
        self.document = {
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": detail,
            "errors": [{"field": name, "detail": text} for name, text in (errors or {}).items()],
        }


class ApiDouble:
    """The server and all that it keeps; tests read `calls`, and make runs of every kind."""

    def __init__(self, takes_s: float = 3.0) -> None:
        self.takes_s = takes_s
        self.runs: dict[str, Run] = {}
        self.objects: dict[str, bytes] = {}
        self.policies: dict[str, tuple[str, str]] = {}
        self.started: dict[str, tuple[str, str]] = {}
        self.calls: list[tuple[str, str, dict[str, str]]] = []
        self.answers_nothing = False
        self.is_busy = False
        self.lock = threading.Lock()
        self.url = ""
        self.workflow = yaml.safe_load(WORKFLOW.read_text())

    @contextmanager
    def serving(self) -> Iterator[ApiDouble]:
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

    def add_run(self, project: str, **attributes: Any) -> Run:
        """A run that nobody submitted through the page; it is over at once unless `takes_s` says otherwise."""
        created_at = attributes.pop("created_at", datetime.now(UTC))
        parameters = attributes.pop("parameters", {}) | {
            "ProjectNo": project,
            "INPUT_BUCKET": BUCKET,
            "INPUT_KEY": f"uploads/{project}/lines.txt",
            "OUTPUT_BUCKET": BUCKET,
            "SPLIT_NUM": 1000,
            "architecture": "graviton",
        }
        run_id = f"{created_at:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        values = {"owner": "shared", "takes_s": 0.0, "shards": 4} | attributes
        self.runs[run_id] = Run(run_id=run_id, parameters=parameters, created_at=created_at, **values)
        return self.runs[run_id]

    def application(self) -> Flask:
        app = Flask("api_double")
        app.json.sort_keys = False  # type: ignore[attr-defined]
        app.register_error_handler(Refused, _problem)

        @app.before_request
        def look() -> Any:
            if request.path.startswith("/s3/"):
                return None
            body = request.get_data()
            self.calls.append((request.method, request.full_path.rstrip("?"), dict(request.headers)))
            if self.is_busy:
                return jsonify(message="Too Many Requests"), 429
            if self.answers_nothing:
                return Response("upstream is gone", status=503)
            if not is_signed(request, body):
                return jsonify(message="The request signature we calculated does not match"), 403
            return None

        app.add_url_rule("/prod/workflows", view_func=self.list_workflows)
        app.add_url_rule("/prod/uploads", view_func=self.make_upload, methods=["POST"])
        app.add_url_rule("/prod/runs", view_func=self.start_run, methods=["POST"])
        app.add_url_rule("/prod/runs", view_func=self.list_runs)
        app.add_url_rule("/prod/runs/<run_id>", view_func=self.show_run)
        app.add_url_rule("/prod/runs/<run_id>/tasks", view_func=self.list_tasks)
        app.add_url_rule("/prod/runs/<run_id>/tasks/<task>/log", view_func=self.show_log)
        app.add_url_rule("/prod/runs/<run_id>/results", view_func=self.list_results)
        app.add_url_rule("/prod/runs/<run_id>/cancel", view_func=self.cancel, methods=["POST"])
        app.add_url_rule("/prod/runs/<run_id>/resume", view_func=self.resume, methods=["POST"])
        app.add_url_rule(f"/s3/{BUCKET}", view_func=self.take_post, methods=["POST"])
        app.add_url_rule(f"/s3/{BUCKET}/<path:key>", view_func=self.give)
        return app

    @property
    def endpoint(self) -> str:
        return f"{self.url}/prod"

    # what the API does

    def list_workflows(self) -> Any:
        found = self.workflow
        shown = {name: found[name] for name in ("name", "title", "description", "parameters", "upload")}
        outputs = [{"name": each["name"], "title": each["title"]} for each in found["outputs"]]
        steps = [
            {
                "state": step["state"],
                "title": step["title"],
                "fan_out": step.get("fan_out", False),
                "after": step.get("after", []),
            }
            for step in found["steps"]
        ]
        return jsonify(workflows=[shown | {"outputs": outputs, "steps": steps}])

    def make_upload(self) -> Any:
        given = request.get_json()
        self.check({"ProjectNo": given["project"]}, only={"ProjectNo"}, names={"ProjectNo": "project"})
        if not re.fullmatch(r"[^/\x00-\x1f\x7f]{1,200}", given["file_name"]) or given["file_name"] in {".", ".."}:
            raise Refused(422, "Parameters are not allowed", errors={"file_name": "expected a file's name"})
        sent = request.headers.get("Idempotency-Key")
        folder = token_of(f"{self.caller()}#{sent}")[:12] if sent else secrets.token_hex(6)
        key = f"uploads/{given['project']}/{folder}/{given['file_name']}"
        policy, signature = secrets.token_urlsafe(40), secrets.token_hex(32)
        self.policies[policy] = (key, signature)
        fields = {"key": key, "policy": policy, "x-amz-signature": signature}
        document = {
            "url": f"{self.url}/s3/{BUCKET}",
            "fields": fields,
            "bucket": BUCKET,
            "key": key,
            "max_bytes": MOST_BYTES,
            "expires_at": text_of(datetime.now(UTC) + timedelta(minutes=15)),
        }
        return jsonify(document), 201

    def start_run(self) -> Any:
        given = request.get_json()
        parameters = given["parameters"]
        if given["workflow"] != self.workflow["name"]:
            raise Refused(404, "No such workflow", given["workflow"])
        self.check(parameters)
        if parameters["INPUT_BUCKET"] != BUCKET:
            raise Refused(
                422,
                "Parameters are not allowed",
                errors={"INPUT_BUCKET": f"found {parameters['INPUT_BUCKET']!r}; expected {BUCKET}"},
            )
        if not parameters["INPUT_KEY"].startswith(("uploads/", "source/")):
            raise Refused(422, "Parameters are not allowed", errors={"INPUT_KEY": "expected uploads/ or source/"})
        parameters = {"OUTPUT_BUCKET": parameters["INPUT_BUCKET"], "architecture": "graviton"} | parameters
        shards = self.shards_of(parameters)
        if request.args.get("dry_run") == "true":
            return jsonify(parameters=parameters, estimate=self.estimate(shards))
        key = request.headers.get("Idempotency-Key", "")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", key):
            raise Refused(400, "Idempotency-Key is missing")
        with self.lock:
            digest = token_of(json.dumps(given, sort_keys=True))
            run_id, of_digest = self.started.get(f"{self.caller()}#{key}", ("", digest))
            if digest != of_digest:
                raise Refused(422, "Another body", errors={"Idempotency-Key": f"started run {run_id}"})
            if run_id:
                return jsonify(self.runs[run_id].as_json()), 200
            project = parameters["ProjectNo"]
            if any(run.status not in FINAL and run.parameters["ProjectNo"] == project for run in self.runs.values()):
                raise Refused(409, "The project is busy", f"another run of project {project} goes on")
            run = self.add_run(project, parameters=parameters, takes_s=self.takes_s, shards=shards)
            run.parameters = parameters
            self.started[f"{self.caller()}#{key}"] = (run.run_id, digest)
        return jsonify(run.as_json()), 201

    def list_runs(self) -> Any:
        found = sorted(self.runs.values(), key=lambda run: (run.created_at, run.run_id), reverse=True)
        for name in ("status", "workflow", "owner"):
            if wanted := request.args.get(name):
                found = [run for run in found if getattr(run, name) == wanted]
        if day := request.args.get("day"):
            if not re.fullmatch(r"\d{4}-\d\d-\d\d", day):
                raise Refused(400, "day is malformed", f"found {day!r}; expected a day such as 2026-01-31")
            found = [run for run in found if f"{run.created_at:%Y-%m-%d}" == day]
        page, token = self.page(found)
        return jsonify(runs=[run.as_json() for run in page], next=token)

    def show_run(self, run_id: str) -> Any:
        titles = {step["state"]: step["title"] for step in self.workflow["steps"]}
        run = self.run(run_id)
        return jsonify(run.as_json() | {"steps": run.steps(titles)})

    def list_tasks(self, run_id: str) -> Any:
        found = self.run(run_id).tasks()
        if request.args.get("status", "PENDING") not in TASK_STATUSES:
            raise Refused(400, "Bad Request", "Not allowed: status")
        for name in ("state", "status"):
            if wanted := request.args.get(name):
                found = [task for task in found if task[name] == wanted]
        page, token = self.page(found)
        return jsonify(tasks=page, next=token)

    def show_log(self, run_id: str, task: str) -> Any:
        for each in self.run(run_id).tasks():
            if f"{each['state']}-{each['index']}" == task:
                lines = ["reads uploads/<i>lines.txt</i>", "1,000 lines, 111,000 bytes", "is done: 0.4 s"]
                time = text_of(self.run(run_id).created_at)
                return jsonify(lines=[{"time": time, "text": line} for line in lines], truncated=False)
        raise Refused(404, "No such task", task)

    def list_results(self, run_id: str) -> Any:
        run = self.run(run_id)
        if run.status != "SUCCEEDED":
            raise Refused(409, "The run has not succeeded", f"it is {run.status}")
        results = []
        for output in self.workflow["outputs"]:
            name = f"{output['name']}_lines.txt_merge"
            body = self.result(run, output["name"])
            key = f"result/{run.run_id}/{name}"
            self.objects[key] = body
            results.append(
                {
                    "name": output["name"],
                    "title": output["title"],
                    "file_name": name,
                    "bytes": len(body),
                    "url": f"{self.url}/s3/{BUCKET}/{key}?X-Amz-Signature={token_of(key)}",
                    "expires_at": text_of(datetime.now(UTC) + timedelta(minutes=5)),
                }
            )
        return jsonify(results=results)

    def cancel(self, run_id: str) -> Any:
        run = self.run(run_id)
        self.may_change(run)
        if run.status in FINAL:
            raise Refused(409, "The run is over", f"run {run_id} is {run.status}")
        run.stopped_at = datetime.now(UTC)
        run.status_said = "CANCELLED"
        return jsonify(run.as_json()), 202

    def resume(self, run_id: str) -> Any:
        run = self.run(run_id)
        self.may_change(run)
        if run.status not in {"FAILED", "CANCELLED"}:
            raise Refused(409, "The run cannot be resumed", f"run {run_id} is {run.status}")
        run.status_said, run.fails, run.stopped_at, run.resumes = "", False, None, run.resumes + 1
        run.created_at, run.takes_s = datetime.now(UTC), self.takes_s
        return jsonify(run.as_json()), 202

    # what its S3 does

    def take_post(self) -> Any:
        key, signature = self.policies.get(request.form.get("policy", ""), ("", ""))
        if not key or (request.form.get("key"), request.form.get("x-amz-signature")) != (key, signature):
            return Response("<Error><Code>AccessDenied</Code></Error>", status=403)
        body = request.files["file"].read()
        if not 1 <= len(body) <= MOST_BYTES:
            return Response("<Error><Code>EntityTooLarge</Code></Error>", status=400)
        self.objects[key] = body
        return Response(status=204)

    def give(self, key: str) -> Any:
        if request.args.get("X-Amz-Signature") != token_of(key):
            return Response("<Error><Code>AccessDenied</Code></Error>", status=403)
        disposition = f'attachment; filename="{key.rpartition("/")[2]}"'
        return Response(
            self.objects[key], mimetype="application/octet-stream", headers={"Content-Disposition": disposition}
        )

    # parts of it

    def run(self, run_id: str) -> Run:
        if run_id not in self.runs:
            raise Refused(404, "No such run", f"found no run {run_id}")
        return self.runs[run_id]

    def caller(self) -> str:
        return request.headers.get("X-Hpc-Owner", "shared")

    def may_change(self, run: Run) -> None:
        if run.owner != self.caller():
            raise Refused(403, "Not yours", f"run {run.run_id} belongs to {run.owner}")

    def check(
        self, parameters: dict[str, Any], *, only: set[str] | None = None, names: dict[str, str] | None = None
    ) -> None:
        schema = self.workflow["parameters"]
        errors = {}
        for name in schema["required"]:
            if name not in parameters and (only is None or name in only):
                errors[name] = f"found nothing; expected {schema['properties'][name]['allowed']}"
        for error in jsonschema.Draft202012Validator(schema).iter_errors(parameters):
            if error.path:
                name = str(error.path[0])
                allowed = schema["properties"][name]["allowed"]
                errors[name] = f"found {str(parameters[name])[:80]!r}; expected {allowed}"
        if errors:
            named = {(names or {}).get(name, name): text for name, text in errors.items()}
            raise Refused(422, "Parameters are not allowed", errors=named)

    def shards_of(self, parameters: dict[str, Any]) -> int:
        body = self.objects.get(parameters["INPUT_KEY"])
        return max(1, -(-body.count(b"\n") // parameters["SPLIT_NUM"])) if body else 4

    def estimate(self, shards: int) -> dict[str, Any]:
        return {
            "shards": shards,
            "jobs": 2 * shards + 3,
            "duration_s": {"low": 40, "high": 150},
            "cost_usd": {"low": 0.0021, "high": 0.0095},
            "basis": "job definitions",
        }

    def result(self, run: Run, name: str) -> bytes:
        lines = self.objects.get(run.parameters["INPUT_KEY"], b"abc\n").decode().splitlines()
        return "".join((line * 2 if name == "repeat" else line[::-1]) + "\n" for line in lines).encode()

    def page(self, found: list[Any]) -> tuple[list[Any], str | None]:
        if not re.fullmatch("[0-9]{1,7}", request.args.get("next", "0")):
            raise Refused(400, "Bad Request", "Not allowed: next")
        limit, start = int(request.args.get("limit", "50")), int(request.args.get("next", "0"))
        end = start + limit
        return found[start:end], str(end) if end < len(found) else None


def is_signed(asked: Any, body: bytes) -> bool:
    """Whether the signature is what botocore makes of this very request with the tests' key."""
    given = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/([^/]+)/execute-api/aws4_request, "
        r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})",
        asked.headers.get("Authorization", ""),
    )
    if not given or (given[1], given[2]) != (CREDENTIALS.access_key, REGION):
        return False
    stamp = datetime.strptime(asked.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs((datetime.now(UTC) - stamp).total_seconds()) > 300:
        return False
    signed = {name: asked.headers[name] for name in given[3].split(";") if name != "host"}
    # As it came: werkzeug's own `url` has lost some of the escapes.
    query = asked.query_string.decode()
    url = asked.host_url.rstrip("/") + asked.environ["REQUEST_URI"].partition("?")[0] + (f"?{query}" if query else "")
    copy = AWSRequest(asked.method, url, headers=signed, data=body or None)
    copy.context["timestamp"] = asked.headers["X-Amz-Date"]
    signer = SigV4Auth(CREDENTIALS, "execute-api", REGION)
    text = signer.string_to_sign(copy, signer.canonical_request(copy))
    return signer.signature(text, copy) == given[4]


def token_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def text_of(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _problem(refused: Refused) -> Any:
    return Response(jsonify(refused.document).get_data(), status=refused.status, mimetype="application/problem+json")
