"""How an exception becomes an exit code, a line on stderr and a failure record."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

import hpc_job.run
from hpc_job.environment import Job, Shard
from hpc_job.errors import InputError, JobError
from hpc_job.records import with_list, write_record

GIVEN = {
    "STATE": "String_Repeat",
    "RUN_ID": "r1",
    "PROJECT_NO": "P",
    "OUTPUT_BUCKET": "b",
    "IMAGE": "image",
    "AWS_BATCH_JOB_ID": "id",
    "AWS_BATCH_JOB_ATTEMPT": "3",
    "SHARD": "x_00000",
    "INDEX": "0",
}
IN_GROUP = {name: value for name, value in GIVEN.items() if name not in ("SHARD", "INDEX")} | {
    "SHARD_LIST_KEY": "list",
    "GROUP_OFFSET": "20",
    "SHARD_DIGITS": "6",
    "INPUT_KEY": "uploads/x",
    "AWS_BATCH_JOB_ARRAY_INDEX": "3",
}
LINE = {"Bucket": "b", "Key": "list", "Range": "bytes=161-166"}


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The requests that wrote objects; the handler of SIGTERM is put back."""
    requests: list[dict[str, Any]] = []
    client = boto3.client("s3", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    client.meta.events.register("provide-client-params.s3.PutObject", lambda params, **_: requests.append(dict(params)))
    monkeypatch.setattr(hpc_job.run, "s3_client", lambda _: client)
    handler = signal.getsignal(signal.SIGTERM)
    with Stubber(client) as stub:
        for _ in range(2):
            stub.add_response("put_object", {})
        yield requests
    signal.signal(signal.SIGTERM, handler)


def failing(error: Exception) -> Callable[..., None]:
    def work(*_: object) -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (InputError("input: found a\nb, expected c"), 2, "input: found a b, expected c"),
        (JobError("not now"), 1, "not now"),
        (
            ClientError({"Error": {"Code": "SlowDown", "Message": "later"}}, "ListObjectsV2"),
            1,
            "a call to AWS failed: ClientError: An error occurred (SlowDown) when calling the ListObjectsV2 "
            "operation: later",
        ),
        (
            EndpointConnectionError(endpoint_url="http://s3"),
            1,
            'a call to AWS failed: EndpointConnectionError: Could not connect to the endpoint URL: "http://s3"',
        ),
        (KeyError("x"), 1, "unexpected KeyError: 'x'"),
    ],
)
def test_an_error_becomes_a_code_a_line_and_a_record(written, capsys, error: Exception, code: int, reason: str) -> None:
    assert hpc_job.run.run(failing(error), [], GIVEN) == code
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == reason
    assert (len(lines) == 1) == (not isinstance(error, KeyError))
    (request,) = written
    assert request["Key"] == "result/P/records/r1/String_Repeat/x_00000.failed.json"
    assert request["Tagging"] == "retention=intermediate"
    record = json.loads(request["Body"])
    assert (record["exit_code"], record["permanent"], record["reason"]) == (code, code == 2, reason)
    assert (record["run_id"], record["state"], record["job_id"], record["attempt"]) == ("r1", "String_Repeat", "id", 3)


def test_the_details_of_a_failure_are_recorded(written) -> None:
    assert hpc_job.run.run(failing(JobError("shards missing", details={"missing": [1]})), [], GIVEN) == 1
    assert json.loads(written[0]["Body"])["missing"] == [1]


def test_done_is_0_and_the_record_is_what_the_job_writes(written, capsys) -> None:
    def work(job: Job, _: object, client: Any) -> None:
        write_record(client, job, {"bytes": 1, "lines": 2})

    given = {name: value for name, value in GIVEN.items() if name != "SHARD"}
    assert hpc_job.run.run(work, [], given) == 0
    (request,) = written
    assert request["Key"] == "result/P/records/r1/String_Repeat.json"
    assert "Tagging" not in request
    assert json.loads(request["Body"])["bytes"] == 1
    printed = capsys.readouterr()
    where = "s3://b/result/P/records/r1/String_Repeat.json"
    assert printed.out == f"String_Repeat is done: 2 lines, 1 bytes; its record is {where}\n"
    assert printed.err == ""


def test_a_wrong_environment_is_told_without_a_record(written, capsys) -> None:
    assert hpc_job.run.run(failing(KeyError("x")), [], GIVEN | {"IMAGE": ""}) == 2
    assert capsys.readouterr().err == "IMAGE: found nothing, expected the image that the job runs from\n"
    assert written == []


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """S3 as the job sees it; the handler of SIGTERM is put back."""
    client = boto3.client("s3", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    monkeypatch.setattr(hpc_job.run, "s3_client", lambda _: client)
    handler = signal.getsignal(signal.SIGTERM)
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()
    signal.signal(signal.SIGTERM, handler)


def line_of_list(s3: Stubber, text: bytes) -> None:
    body = StreamingBody(io.BytesIO(text), None)
    s3.add_response("get_object", {"ETag": '"v1"', "ContentLength": len(text), "Body": body}, LINE)


def test_a_child_of_an_array_job_does_the_shard_of_its_line(s3) -> None:
    done: list[Job] = []
    line_of_list(s3, b"000042")
    assert hpc_job.run.run(lambda job, *_: done.append(job), [], IN_GROUP) == 0
    (job,) = done
    assert job.shard == Shard(index=42, name="x_000042")
    assert job.record_key == "result/P/records/r1/String_Repeat/x_000042.json"
    assert job.does_a_shard


def test_a_child_whose_work_fails_leaves_its_shards_failure_record(s3, capsys) -> None:
    line_of_list(s3, b"000042")
    place = {"Bucket": "b", "Key": "result/P/records/r1/String_Repeat/x_000042.failed.json"}
    written = {"Body": ANY, "ContentType": "application/json", "Tagging": "retention=intermediate"}
    s3.add_response("put_object", {}, place | written)
    assert hpc_job.run.run(failing(InputError("shard: found a hole")), [], IN_GROUP) == 2
    assert capsys.readouterr().err == "shard: found a hole\n"


@pytest.mark.parametrize("text", [b"", b"00004", b"00004\n", b"0000\n0", b"abcdef", "\u0660\u0660\u0660".encode()])
def test_a_list_without_a_number_in_the_childs_line_is_wrong_input(s3, capsys, text: bytes) -> None:
    line_of_list(s3, text)
    assert hpc_job.run.run(failing(KeyError("x")), [], IN_GROUP) == 2
    assert capsys.readouterr().err == (
        f"list of shards s3://b/list: found {text!r} at byte 161 (line 23 from 0), expected a number of 6 digits; "
        "start a new run of this project\n"
    )


@pytest.mark.parametrize(
    ("error", "code", "found"),
    [
        ("NoSuchKey", 2, "found no such object"),
        ("AccessDenied", 2, "found that it does not exist or may not be read (access denied)"),
        ("InvalidRange", 2, "found that it ends before the bytes that were asked for"),
        ("SlowDown", 1, "could not be read: SlowDown"),
    ],
)
def test_without_its_list_a_child_fails_and_leaves_no_record(s3, capsys, error: str, code: int, found: str) -> None:
    s3.add_client_error("get_object", error, expected_params=LINE)
    assert hpc_job.run.run(failing(KeyError("x")), [], IN_GROUP) == code
    assert capsys.readouterr().err.startswith(f"list of shards s3://b/list: {found}")


def test_a_wrong_variable_of_a_group_is_told_without_a_record(s3, capsys) -> None:
    assert hpc_job.run.run(failing(KeyError("x")), [], IN_GROUP | {"SHARD_DIGITS": "x"}) == 2
    assert capsys.readouterr().err.startswith("SHARD_DIGITS: found 'x', expected a whole number from 5 to 6 ")


@pytest.mark.parametrize("shards", [[], [{"name": "ä"}], [{"name": "a", "bytes": 1}, {"name": "b", "bytes": 2}]])
def test_a_record_with_a_list_is_the_json_that_it_would_be_at_once(shards: list[dict[str, Any]]) -> None:
    document = {"run_id": "r", "merged": {"sha256": None}}
    text = b"".join(with_list(document, "shards", iter(shards)))
    assert text.decode() == json.dumps(document | {"shards": shards}, ensure_ascii=False, separators=(",", ":"))


def test_a_record_with_a_list_is_written_as_json(written, capsys) -> None:
    def work(job: Job, _: object, client: Any) -> None:
        write_record(client, job, {"input": {"bytes": 1, "lines": 2}}, shards=iter([{"name": "a"}]))

    given = {name: value for name, value in GIVEN.items() if name not in ("SHARD", "INDEX")}
    assert hpc_job.run.run(work, [], given) == 0
    (request,) = written
    assert request["ContentType"] == "application/json"
    assert json.loads(request["Body"])["shards"] == [{"name": "a"}]
