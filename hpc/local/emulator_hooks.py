"""Every private name of the emulator that the laptop platform touches, in one file.

ministack has no plugin interface. Each function below closes one gap between it and AWS; `install` calls them all and
fails by name when a new version of ministack has moved something. Import this module only after the emulator's
environment variables are set, because ministack reads them when it is imported.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import botocore.serialize
import botocore.session
from ministack import app
from ministack.core import iam_evaluator, persistence, responses
from ministack.services import batch, cloudwatch_logs, eventbridge, iam, lambda_svc, s3, stepfunctions, sts
from ministack.services.cloudformation import provisioners

from hpc.local import batch_http
from hpc.local.batch import BatchError, BatchService, JobWaitCancelled, JobWaitTimeout
from hpc.local.cloudformation_types import batch_types, recorded_types
from hpc.local.spelling import camel, lifecycle_rule, pascal

# Source: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html (payload of a state)
MAX_STATE_BYTES = 262_144
# Temporary credentials of a job outlive the longest job timeout a workflow may set by some minutes.
JOB_SESSION_S = 14 * 24 * 3600

OWNER = "owner"
HEALTH_PATH = "/_ministack/health"
# What the disk keeps free for the platform's own state.
MIN_FREE_BYTES = 64 * 1024 * 1024
NO_ROOM = (
    b"<Error><Code>InsufficientStorage</Code><Message>The disk of the laptop platform is full: "
    b"free some space, then try again</Message></Error>"
)

_task: contextvars.ContextVar[tuple[str, float | None]] = contextvars.ContextVar("task")


def install(service: BatchService, *, access_key_id: str, secret_access_key: str, state_dir: str) -> None:
    """Puts every hook in place; call once, before the emulator serves its first request."""
    _trust_loopback()
    _refuse_root_keys()
    _guard_server(service, state_dir)
    _make_owner(access_key_id, secret_access_key)
    _save_on_request()
    _end_on_request(service)
    _serve_batch(service)
    _run_batch_tasks(service)
    _end_work_of_stopped_executions()
    _hold_states_to_their_limit()
    _name_lambda_errors()
    _keep_lifecycle_rules()
    _add_resource_types(service)


# --- requests ---------------------------------------------------------------------------------------------------------


def _trust_loopback() -> None:
    """The templates deny requests without TLS; on 127.0.0.1 there is no wire to listen on, so it counts as secure."""
    pin = iam_evaluator.pin_request_origin

    def pin_secure(source_ip: str, _secure_transport: bool) -> None:
        pin(source_ip, True)

    _replace(iam_evaluator, "pin_request_origin", pin_secure)
    _replace(app, "pin_request_origin", pin_secure)


def _refuse_root_keys() -> None:
    """ministack takes no key, the key `test` and bare account ids for root, unsigned; here every caller signs."""

    def is_root(_access_key_id: str) -> bool:
        return False

    _replace(iam_evaluator, "is_root_access_key", is_root)
    _replace(sts, "is_root_access_key", is_root)


def _guard_server(service: BatchService, state_dir: str) -> None:
    """ministack resets itself for whoever asks (a web page, say): only its health check stays open.

    An object that the disk has no room for is refused: ministack would keep it in memory and lose it with the process.
    And the server's end is the process's end: a Lambda or a Map that waits in a thread would keep it alive for minutes.
    """
    serve = app.app

    async def guarded(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await serve(scope, receive, ending(send))
            return
        if scope["type"] == "http" and scope["path"].startswith("/_") and scope["path"] != HEALTH_PATH:
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b"closed on the laptop platform"})
            return
        if scope["type"] == "http" and scope["method"] == "PUT" and not _has_room(scope, state_dir):
            xml = [(b"content-type", b"application/xml")]
            await send({"type": "http.response.start", "status": 507, "headers": xml})
            await send({"type": "http.response.body", "body": NO_ROOM})
            return
        await serve(scope, receive, send)

    def ending(send: Any) -> Any:
        async def send_or_exit(message: dict[str, Any]) -> None:
            if message["type"] == "lifespan.shutdown.complete":  # the state is saved
                service.stop()
                os._exit(0)
            await send(message)

        return send_or_exit

    _replace(app, "app", guarded)


def _has_room(scope: dict[str, Any], state_dir: str) -> bool:
    length = next((value for name, value in scope["headers"] if name.lower() == b"content-length"), b"0")
    return shutil.disk_usage(state_dir).free > MIN_FREE_BYTES + int(length or b"0")


def _make_owner(access_key_id: str, secret_access_key: str) -> None:
    """The account's one user, with the key in `platform.json`; made after kept state is loaded, which may be of old."""
    load = app._load_persisted_state

    def load_then_make() -> None:
        load()
        iam._create_user({"UserName": OWNER})
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}  # the owner of a laptop's own account
        policy = json.dumps({"Version": "2012-10-17", "Statement": [everything]})
        iam._put_user_policy({"UserName": OWNER, "PolicyName": "Everything", "PolicyDocument": policy})
        iam._access_keys[access_key_id] = {
            "UserName": OWNER,
            "AccessKeyId": access_key_id,
            "SecretAccessKey": secret_access_key,
            "Status": "Active",
            "CreateDate": iam._now(),
        }

    _replace(app, "_load_persisted_state", load_then_make)


def _save_on_request() -> None:
    """SIGUSR1 writes the state down, as the end of the process does: `hpc up` asks for it after a deployment."""

    def save(_signal: int, _frame: Any) -> None:
        persistence.save_all(app._build_persistence_save_dict())

    signal.signal(signal.SIGUSR1, save)


def _end_on_request(service: BatchService) -> None:
    """SIGUSR2 ends the jobs while S3 still answers, so that they can clean up, and then the process."""

    def end() -> None:
        service.stop()
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGUSR2, lambda _signal, _frame: threading.Thread(target=end, daemon=True).start())


def role_credentials(role_arn: str, session_name: str) -> dict[str, str]:
    """AWS_* variables of a session under a role, as Batch gives them to a container."""
    account, role = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    access_key = "ASIA" + hashlib.sha256(secrets.token_bytes(16)).hexdigest()[:16].upper()
    secret, token = secrets.token_urlsafe(30), secrets.token_urlsafe(60)
    sts.register_session(
        access_key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session_name[:64]}",
            "UserId": f"{role}:{session_name[:64]}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": time.time() + JOB_SESSION_S,
        },
    )
    return {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}


# --- Batch ------------------------------------------------------------------------------------------------------------


def _serve_batch(service: BatchService) -> None:
    """Our Batch service answers the Batch API, and its state is kept with the emulator's."""

    async def handle_request(method: str, path: str, _headers: Any, body: bytes, query: dict[str, Any]) -> Any:
        return await asyncio.to_thread(batch_http.answer, service, method, path, body, query)

    _replace(batch, "handle_request", handle_request)
    _replace(batch, "get_state", service.snapshot)
    _replace(batch, "load_persisted_state", service.restore)


def _run_batch_tasks(service: BatchService) -> None:
    """`batch:submitJob` and `.sync` in Step Functions; both end with the execution that asked for them."""
    dispatch = stepfunctions._SERVICE_DISPATCH
    execute_task = stepfunctions._execute_task
    invoke_with_timeout = stepfunctions._invoke_resource_with_timeout

    def submit(resource: str, parameters: dict[str, Any]) -> Any:
        execution_arn, timeout_s = _task.get()

        def stopped() -> bool:
            execution = stepfunctions._executions.get(execution_arn)
            return execution is None or execution["status"] != "RUNNING"

        if stopped():
            raise stepfunctions._ExecutionError("States.TaskFailed", "The execution was stopped before the job began")
        try:
            answer = service.handle("SubmitJob", camel(parameters))
        except BatchError as error:
            raise stepfunctions._ExecutionError(error.name_in_step_functions, str(error)) from error
        if not resource.endswith(".sync"):
            return pascal(answer)
        try:
            job = service.wait(answer["jobId"], timeout_s=timeout_s, cancelled=stopped)
        except JobWaitTimeout as error:
            raise stepfunctions._ExecutionError("States.Timeout", str(error)) from error
        except JobWaitCancelled as error:
            raise stepfunctions._ExecutionError("States.TaskFailed", str(error)) from error
        if job["status"] == "FAILED":
            raise stepfunctions._ExecutionError("States.TaskFailed", json.dumps(pascal(job)))
        return pascal(job)

    def execute(state: dict[str, Any], raw_input: Any, execution: dict[str, Any], context: dict[str, Any]) -> Any:
        token = _task.set((context["Execution"]["Id"], None))
        try:
            return execute_task(state, raw_input, execution, context)
        finally:
            _task.reset(token)

    def invoke(resource: str, parameters: Any, timeout_s: float) -> Any:
        if ":batch:submitJob" not in resource:
            return invoke_with_timeout(resource, parameters, timeout_s)
        token = _task.set((_task.get()[0], timeout_s))
        try:
            return stepfunctions._invoke_resource(resource, parameters)
        finally:
            _task.reset(token)

    dispatch["arn:aws:states:::batch:submitJob"] = submit
    _replace(stepfunctions, "_execute_task", execute)
    _replace(stepfunctions, "_invoke_resource_with_timeout", invoke)


# --- Step Functions ---------------------------------------------------------------------------------------------------


def _end_work_of_stopped_executions() -> None:
    """A stopped execution stays ABORTED although one of its states fails afterwards."""
    fail = stepfunctions._fail_execution

    def fail_running(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)

    _replace(stepfunctions, "_fail_execution", fail_running)


def _hold_states_to_their_limit() -> None:
    """AWS ends an execution whose state passes on more than 256 KiB; so does the laptop."""
    for name in ("_execute_task", "_execute_pass", "_execute_parallel", "_execute_map"):
        _replace(stepfunctions, name, _limited(getattr(stepfunctions, name)))


def _limited(execute: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(execute)
    def limited(state: dict[str, Any], *rest: Any) -> Any:
        output, following = execute(state, *rest)
        size = len(json.dumps(output).encode())
        if size > MAX_STATE_BYTES:
            cause = f"A state's output has {size} bytes; Step Functions passes on at most {MAX_STATE_BYTES}"
            raise stepfunctions._ExecutionError("States.DataLimitExceeded", cause)
        return output, following

    return limited


# --- Lambda -----------------------------------------------------------------------------------------------------------


def _name_lambda_errors() -> None:
    """The class of an exception is the `errorType`, as on AWS, so that Retry and Catch can name it."""
    run = lambda_svc._execute_function_warm
    last_line = re.compile(r"^(?:\w+\.)*(\w+)(?::|$)")

    def named(*args: Any, **kwargs: Any) -> dict[str, Any]:
        result: dict[str, Any] = run(*args, **kwargs)
        body = result.get("body")
        if result.get("error") and isinstance(body, dict) and body.get("errorType") == "Runtime.HandlerError":
            lines = [line for line in str(result.get("log", "")).splitlines() if line.strip()]
            match = last_line.match(lines[-1]) if lines else None
            if match:
                body["errorType"] = match.group(1)
        return result

    _replace(lambda_svc, "_execute_function_warm", named)


# --- CloudFormation ---------------------------------------------------------------------------------------------------


def _keep_lifecycle_rules() -> None:
    """`LifecycleConfiguration` of a bucket is stored, not dropped (nothing expires on a laptop: it is recorded)."""
    model = botocore.session.get_session().get_service_model("s3")
    operation = model.operation_model("PutBucketLifecycleConfiguration")
    serializer = botocore.serialize.create_serializer("rest-xml")

    def to_xml(configuration: dict[str, Any]) -> bytes:
        rules = [lifecycle_rule(rule) for rule in configuration.get("Rules", [])]
        request = {"Bucket": "bucket", "LifecycleConfiguration": {"Rules": rules}}
        body: bytes = serializer.serialize_to_request(request, operation)["body"]
        return body

    entry = ("LifecycleConfiguration", to_xml, s3._put_bucket_lifecycle, s3._delete_bucket_lifecycle)
    _replace(provisioners, "_S3_BUCKET_CONFIGURATIONS", (*provisioners._S3_BUCKET_CONFIGURATIONS, entry))


def _add_resource_types(service: BatchService) -> None:
    """CloudFormation types that ministack refuses: Batch's go to our service, the others are recorded."""
    handlers = provisioners._RESOURCE_HANDLERS
    handlers.update(batch_types(service, provisioners._physical_name))
    for resource_type, handler in recorded_types().items():
        handlers.setdefault(resource_type, handler)


# --- ports of the Batch service ---------------------------------------------------------------------------------------


class AccountScope:
    """Runs calls from the Batch service's threads inside the platform's one account and region."""

    def __init__(self, account: str, region: str) -> None:
        self._account, self._region = account, region

    def _enter(self) -> None:
        responses.set_request_account_id(self._account)
        responses.set_request_region(self._region)

    def write_logs(self, group: str, stream: str, lines: Sequence[tuple[int, str]]) -> None:
        """Appends to CloudWatch Logs; the group and the stream are made when they are not there."""
        self._enter()
        if group not in cloudwatch_logs._log_groups:
            cloudwatch_logs._create_log_group({"logGroupName": group})
        if stream not in cloudwatch_logs._log_groups[group]["streams"]:
            cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
        events = [{"timestamp": stamp, "message": text} for stamp, text in lines]
        if not events:
            return
        cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": events})

    def publish_job_state(self, job: dict[str, Any]) -> None:
        """Sends Batch's job state change event to EventBridge."""
        self._enter()
        entry = {
            "Source": "aws.batch",
            "DetailType": "Batch Job State Change",
            "Detail": json.dumps(job),
            "Resources": [job["jobArn"]],
        }
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def _replace(module: Any, name: str, value: Any) -> None:
    if not hasattr(module, name):
        raise RuntimeError(f"{module.__name__}.{name} is gone: this version of ministack needs other hooks")
    setattr(module, name, value)
