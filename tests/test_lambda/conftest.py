"""Loads functions by path (`lambda` is a keyword), starts a local S3, and makes runs whose objects are real bytes."""

import hashlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from uuid import uuid4

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer

FUNCTIONS = Path(__file__).parents[2] / "lambda"
BUCKET = "data-bucket"
RUN_ID = "20260102-030405-abc123"
PROJECT = "Project1"
MERGES = {"String_Repeat": "String_Repeat_Merge", "String_Reverse": "String_Reverse_Merge"}
PREFIXES = {"String_Repeat": "repeat", "String_Reverse": "reverse"}

TABLE = "Runs"
PLANNED_AT = "2026-01-02T03:05:00.123Z"

# From when on the records of each state count: from the beginning, in a run that was not resumed.
STATES = ("String_Split", *MERGES, *MERGES.values())
MADE_SINCE = dict.fromkeys(STATES, "1970-01-01T00:00:00Z")


def load_function(name: str) -> SimpleNamespace:
    """The modules of `lambda/<name>/` by name, imported as Lambda does; no other test sees them under those names."""
    folder = FUNCTIONS / name
    stems = sorted(file.stem for file in folder.glob("*.py"))
    hidden = {stem: sys.modules.pop(stem) for stem in stems if stem in sys.modules}
    sys.path.insert(0, str(folder))
    try:
        return SimpleNamespace(**{stem: importlib.import_module(stem) for stem in stems})
    finally:
        sys.path.remove(str(folder))
        for stem in stems:
            sys.modules.pop(stem, None)
        sys.modules.update(hidden)


@pytest.fixture(scope="session")
def job_map() -> ModuleType:
    return load_function("job_map").job_map


@pytest.fixture(scope="session")
def mapping() -> SimpleNamespace:
    """All modules of job_map, by name."""
    return load_function("job_map")


@pytest.fixture(scope="session")
def check() -> SimpleNamespace:
    """All modules of check_output, by name."""
    return load_function("check_output")


@pytest.fixture(scope="session")
def function() -> SimpleNamespace:
    """All modules of the API's function, by name."""
    return load_function("api")


def measure(data: bytes) -> dict:
    """Bytes, lines, terminator bytes and checksum, counted without the code under test."""
    feeds = data.count(b"\n")
    return {
        "bytes": len(data),
        "lines": feeds + (not data.endswith(b"\n") and data != b""),
        "terminator_bytes": feeds + data.count(b"\r\n"),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def compact(node: object) -> bytes:
    return json.dumps(node, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass
class Run:
    """A run's objects in S3, by key; as complete and correct as the jobs leave them."""

    lines: list[bytes]
    lines_per_shard: int = 2
    file: str = "lines.txt"
    digits: int = 5
    objects: dict[str, bytes] = field(default_factory=dict)
    shards: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = self.lines_per_shard
        parts = [self.lines[start : start + size] for start in range(0, len(self.lines), size)]
        self.shards = [f"{self.file}_{index:0{self.digits}d}" for index in range(len(parts))]
        self.write_split([b"".join(lines) for lines in parts])
        self.write_branch("String_Repeat", parts, lambda text: text * 2)
        self.write_branch("String_Reverse", parts, lambda text: text.decode()[::-1].encode())

    def write_split(self, texts: list[bytes]) -> None:
        folder = f"result/{PROJECT}/String_Split/"
        self.objects |= {f"{folder}{name}": text for name, text in zip(self.shards, texts, strict=True)}
        self.objects[f"{folder}{self.file}_splitlist"] = "".join(f"{folder}{name}\n" for name in self.shards).encode()
        self.write_record(
            "String_Split.json",
            input={"bucket": BUCKET, "key": self.input_key, "etag": '"x"', **measure(b"".join(self.lines))},
            split_num=self.lines_per_shard,
            shards=[{"name": name, **measure(text)} for name, text in zip(self.shards, texts, strict=True)],
        )

    def write_branch(self, state: str, parts: list[list[bytes]], change) -> None:
        merge, prefix = MERGES[state], PREFIXES[state]
        entries, joined = [], b""
        for index, (shard, lines) in enumerate(zip(self.shards, parts, strict=True)):
            output = b"".join(changed_line(line, change) for line in lines)
            key = f"result/{PROJECT}/{state}/{prefix}_{shard}"
            self.objects[key] = output
            entry = {"index": index, "shard": shard, "key": key, **measure(output)}
            entries.append({**entry, "source_sha256": measure(b"".join(lines))["sha256"]})
            self.write_record(f"{state}/{shard}.json", **entries[-1])
            joined += output
        merged_key = f"result/{PROJECT}/{merge}/{prefix}_{self.file}_merge"
        self.objects[merged_key] = joined
        self.write_record(f"{merge}.json", merged={"key": merged_key, **measure(joined)}, shards=entries)

    def write_record(self, name: str, **fields) -> None:
        self.objects[self.record_key(name)] = compact({"run_id": RUN_ID, "state": name.partition(".")[0], **fields})

    def fail_split(self, reason: str) -> None:
        self.objects.clear()
        self.write_record("String_Split.failed.json", exit_code=2, permanent=True, reason=reason)

    def fail_shards(self, state: str, reasons: dict[int, tuple[str, bool]]) -> None:
        """These shards (index: reason, permanent) left no output, so their merge failed and named them."""
        missing = []
        for index, (reason, permanent) in reasons.items():
            shard = self.shards[index]
            self.remove(f"result/{PROJECT}/{state}/{PREFIXES[state]}_{shard}")
            self.remove(self.record_key(f"{state}/{shard}.json"))
            self.write_record(
                f"{state}/{shard}.failed.json", exit_code=2 if permanent else 1, permanent=permanent, reason=reason
            )
            missing.append({"index": index, "shard": shard, "reason": reason, "permanent": permanent})
        self.fail_merge(state, f"{len(missing)} shards are missing", missing=missing)

    def fail_merge(
        self, state: str, reason: str, *, permanent: bool | None = None, missing: list | None = None
    ) -> None:
        self.unfinish_merge(state)
        if permanent is None:
            permanent = all(shard["permanent"] for shard in missing)
        fields = {"missing": missing} if missing is not None else {}
        self.write_record(
            f"{MERGES[state]}.failed.json",
            exit_code=2 if permanent else 1,
            permanent=permanent,
            reason=reason,
            **fields,
        )

    def unfinish_merge(self, state: str) -> None:
        """As after a merge whose job was killed."""
        self.remove(f"result/{PROJECT}/{MERGES[state]}/{PREFIXES[state]}_{self.file}_merge")
        self.remove(self.record_key(f"{MERGES[state]}.json"))

    def edit_record(self, name: str, change) -> None:
        """Lets `change` alter the record's JSON in place."""
        node = json.loads(self.objects[self.record_key(name)])
        change(node)
        self.objects[self.record_key(name)] = compact(node)

    def remove(self, key: str) -> None:
        self.objects.pop(key, None)

    @property
    def input_key(self) -> str:
        return f"uploads/{PROJECT}/{self.file}"

    def record_key(self, name: str) -> str:
        return f"result/{PROJECT}/records/{RUN_ID}/{name}"

    def uri(self, key: str) -> str:
        return f"s3://{BUCKET}/result/{PROJECT}/{key}"

    def job_map_event(self, **changes) -> dict:
        return {
            "run_id": RUN_ID,
            "project": PROJECT,
            "bucket": BUCKET,
            "input_key": self.input_key,
            "attempt": 0,
            "resumes": 0,
            "group_above": 1000,
            "queues": {"first_try": "arn:first", "next_tries": "arn:next"},
            "made_since": dict(MADE_SINCE),
            "split_state": "String_Split",
            "branches": dict(MERGES),
            "group_states": {state: f"{state}_Group" for state in MERGES},
            "table": TABLE,
            "planned_at": PLANNED_AT,
            **changes,
        }

    def check_event(self, **changes) -> dict:
        return {
            "run_id": RUN_ID,
            "project": PROJECT,
            "workflow": "string_processing",
            "bucket": BUCKET,
            "input_key": self.input_key,
            "attempt": 1,
            "resumes": 0,
            "max_attempts": 3,
            "made_since": dict(MADE_SINCE),
            "split_state": "String_Split",
            "branches": {
                state: {"merge_state": MERGES[state], "prefix": PREFIXES[state], "size_factor": factor}
                for state, factor in (("String_Repeat", 2), ("String_Reverse", 1))
            },
            **changes,
        }


def changed_line(line: bytes, change) -> bytes:
    terminator = next((end for end in (b"\r\n", b"\n") if line.endswith(end)), b"")
    return change(line.removesuffix(terminator)) + terminator


@pytest.fixture(scope="session")
def make_run():
    """A factory of runs; without lines: 7 lines of mixed kinds in 4 shards of two lines."""

    def make(lines: list[bytes] | None = None, **kwargs) -> Run:
        mixed = [b"abc\n", b"\n", "h\u00e9llo\r\n".encode(), b"x\n", b"\r\n", b"  tab\t\n", b"no end"]
        return Run(mixed if lines is None else lines, **kwargs)

    return make


@pytest.fixture(scope="session")
def judge(check):
    """Judges a run's objects as if S3 had listed them; returns the verdict."""

    def judge_run(run: Run, **changes):
        event = check.check_event.CheckEvent.parse(run.check_event(**changes))
        sizes = {key: len(data) for key, data in run.objects.items()}
        return check.comparison.judge(event, check.comparison.Snapshot(sizes, run.objects))

    return judge_run


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory):
    """Address of a local S3 of this test session's own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = tmp_path_factory.mktemp("ministack")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), "LOG_LEVEL": "ERROR"}
    log = home / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack.app"],
            env={**environment, "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1"},
            cwd=home,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for_port(process, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def wait_for_port(process: subprocess.Popen, port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"the local S3 did not start on port {port}:\n{log.read_text(errors='replace')}")


@pytest.fixture
def s3(s3_endpoint, monkeypatch):
    """Client of the local S3; functions called in the test reach it too."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return boto3.client("s3")


@pytest.fixture
def store(s3):
    """A new bucket: its name, `put` for objects (key: bytes), `json` of an object, and the client."""
    bucket = f"bucket-{uuid4().hex}"
    s3.create_bucket(Bucket=bucket)

    def put(objects: dict[str, bytes]) -> None:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda item: s3.put_object(Bucket=bucket, Key=item[0], Body=item[1]), objects.items()))

    def read_json(key: str) -> object:
        return json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    return SimpleNamespace(bucket=bucket, put=put, json=read_json, client=s3)


@pytest.fixture
def run_table(s3_endpoint, s3, monkeypatch):
    """A new run table, which functions called in the test find: `rows` of a partition by sort key, name and client."""
    dynamodb, name = boto3.client("dynamodb"), f"Runs-{uuid4().hex}"
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    monkeypatch.setenv("RUN_TABLE", name)

    def rows(partition: str) -> dict[str, dict]:
        found = dynamodb.query(
            TableName=name,
            KeyConditionExpression="pk = :key",
            ExpressionAttributeValues={":key": {"S": partition}},
            ConsistentRead=True,
        )["Items"]
        read = TypeDeserializer().deserialize
        items = [{attribute: read(value) for attribute, value in item.items()} for item in found]
        return {item["sk"]: item for item in items}

    return SimpleNamespace(name=name, client=dynamodb, rows=rows)
