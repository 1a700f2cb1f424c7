"""A job forked from a warm process does what the cold command does: same objects, same lines, same exit code."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hpc.local.batch.process import ProcessRequest, ProcessResult, RunningProcess, run_process, start_cold
from hpc.local.batch.warm import WarmStarter

JOBS_DIR = Path(__file__).resolve().parents[2] / "docker-image" / "BatchJob"
BUCKET = "hpc-jobs-data"
LINES = [b"plain ASCII\n", b"\n", b"CRLF\r\n", "äöü € 🧬\n".encode(), b"\xff\xfe \xe2\x82\r\n", b"a\rb\n", b"no end"]
TIMES = ("started_at", "stopped_at")

Start = Callable[[ProcessRequest], RunningProcess]


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmStarter]:
    starter = WarmStarter(JOBS_DIR)
    yield starter
    starter.close()


def forked(warm: WarmStarter, job: str) -> Start:
    """Starts warm, and fails instead of starting cold."""

    def start(request: ProcessRequest) -> RunningProcess:
        process = warm.for_image(job)(request)
        assert type(process).__name__ == "WarmProcess"
        return process

    return start


def ended(
    start: Start, job: str, environment: dict[str, str], scratch: Path, stop: threading.Event | None = None
) -> tuple[ProcessResult, bytes]:
    """Runs a job to its end in a new folder and without a home, as the Batch service does."""
    output: list[bytes] = []
    folder = tempfile.mkdtemp(dir=scratch)
    request = ProcessRequest(
        command=("python", "-m", job),
        environment=environment | {"PATH": str(Path(sys.executable).parent), "HOME": "/nonexistent", "TMPDIR": folder},
        folder=Path(folder),
        timeout_s=60,
        kill_grace_s=10,
    )
    result = run_process(
        request,
        on_started=lambda: None,
        on_output=output.append,
        on_tick=lambda: None,
        should_stop=(stop or threading.Event()).is_set,
        start=start,
    )
    return result, b"".join(output)


def without_times(body: bytes) -> Any:
    """A record less what differs from one moment to the next; other bytes as they are."""
    try:
        record = json.loads(body)
    except ValueError:
        return body
    return {name: value for name, value in record.items() if name not in TIMES}


def objects(run: Any) -> dict[str, Any]:
    """Everything under the project's results: bytes, type and tags."""
    found = {}
    for key in run.stage.listing(f"result/{run.project}/"):
        content_type = run.stage.client.head_object(Bucket=BUCKET, Key=key)["ContentType"]
        found[key] = (without_times(run.stage.get(key)), content_type, run.stage.tags(key))
        run.stage.client.delete_object(Bucket=BUCKET, Key=key)
    return found


def test_all_jobs_make_the_same_of_a_run(run, warm: WarmStarter, tmp_path: Path) -> None:
    """Splits, both branches and both merges, cold and then warm; nothing may differ."""
    run.stage.put(run.input_key, b"".join(LINES))
    steps: list[tuple[str, dict[str, str]]] = [
        (
            "string_split",
            {"STATE": "String_Split", "INPUT_BUCKET": BUCKET, "INPUT_KEY": run.input_key, "SPLIT_NUM": "3"},
        )
    ]
    for kind in ("repeat", "reverse"):
        steps += [(f"string_{kind}", run.shard_variables(kind, index)) for index in range(3)]
        state = f"String_{kind.capitalize()}"
        variables = {"STATE": f"{state}_Merge", "SHARD_STATE": state, "INPUT_KEY": run.input_key}
        steps.append(("string_merge", variables))

    def all_steps(start: Callable[[str], Start]) -> tuple[list[tuple[ProcessResult, bytes]], dict[str, Any]]:
        results = []
        for job, variables in steps:
            environment = run.stage.environment(job, **{"PROJECT_NO": run.project} | variables)
            results.append(ended(start(job), job, environment, tmp_path))
        return results, objects(run)

    cold, cold_objects = all_steps(lambda _: start_cold)
    assert [result.exit_code for result, _ in cold] == [0] * 9
    assert len(cold_objects) == 3 + 1 + 1 + 2 * (3 + 3 + 1 + 1)
    processes: dict[str, set[int]] = {}

    def kept(job: str) -> Start:
        def start(request: ProcessRequest) -> RunningProcess:
            process = forked(warm, job)(request)
            processes.setdefault(job, set()).add(process.pid)
            return process

        return start

    for _ in range(2):
        assert all_steps(kept) == (cold, cold_objects)
    assert [len(pids) for pids in processes.values()] == [1] * 4, "all images say that they keep no state"


SHARD = {"SHARD": "lines.txt_00000", "INDEX": "0"}
FAILURES = [
    ("string_split", {"SPLIT_NUM": "1e12"}, 2, "SPLIT_NUM: found '1e12'"),
    ("string_split", {"SPLIT_NUM": "3"}, 2, "found no such object"),
    ("string_split", {"SPLIT_NUM": "3", "INPUT_BUCKET": "hpc-jobs-forbidden"}, 2, "access denied"),
    ("string_split", {"STATE": ""}, 2, "STATE: found ''"),
    ("string_repeat", SHARD, 2, "found no such object"),
    ("string_reverse", SHARD | {"SHARD": "a/b"}, 2, "SHARD: found 'a/b'"),
    ("string_merge", {"SHARD_STATE": "String_Repeat"}, 1, "found text that is not JSON"),
    ("string_merge", {"SHARD_STATE": "None"}, 2, "SHARD_STATE: found 'None'"),
    ("string_repeat", SHARD | {"AWS_SECRET_ACCESS_KEY": "wrong"}, 1, "SignatureDoesNotMatch"),
    ("string_repeat", SHARD | {"AWS_ACCESS_KEY_ID": ""}, 1, "NoCredentialsError"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=[f"{job} {told}" for job, _, _, told in FAILURES])
def test_failures_are_the_same(
    run, warm: WarmStarter, tmp_path: Path, failure: tuple[str, dict[str, str], int, str]
) -> None:
    job, variables, exit_code, told = failure
    given = {"STATE": "S", "PROJECT_NO": run.project, "INPUT_BUCKET": BUCKET, "INPUT_KEY": run.input_key} | variables
    environment = run.stage.environment(job, **given) | {"AWS_EC2_METADATA_DISABLED": "true"}

    def failed(start: Start) -> tuple[tuple[ProcessResult, bytes], dict[str, Any]]:
        if told == "found text that is not JSON":
            run.stage.put(run.record_key("String_Split.json"), b"torn")
        return ended(start, job, environment, tmp_path), objects(run)

    cold = failed(start_cold)
    assert cold[0][0].exit_code == exit_code
    assert told in cold[0][1].decode()
    assert failed(forked(warm, job)) == cold


class StallingS3:
    """Answers every PUT and keeps it, and never answers a GET."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.puts: list[tuple[str, Any]] = []
        self._released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.set()
                outer._released.wait()

            def do_PUT(self) -> None:
                outer.puts.append((self.path, without_times(self.rfile.read(int(self.headers["Content-Length"])))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()


def test_sigterm_is_the_same(stage, warm: WarmStarter, tmp_path: Path) -> None:
    def stopped(start: Start) -> tuple[ProcessResult, bytes, list[tuple[str, Any]]]:
        server.asked.clear()
        server.puts.clear()
        environment = stage.environment("string_repeat", STATE="S", PROJECT_NO="P", SHARD="x", INDEX="0")
        result = ended(start, "string_repeat", environment | {"AWS_ENDPOINT_URL": server.url}, tmp_path, server.asked)
        return (*result, list(server.puts))

    server = StallingS3()
    try:
        cold = stopped(start_cold)
        assert cold[0] == ProcessResult(exit_code=1, stopped=True)
        assert cold[1].startswith(b"stopped by SIGTERM before it was done")
        assert len(cold[2]) == 1
        assert stopped(forked(warm, "string_repeat")) == cold
    finally:
        server.close()
