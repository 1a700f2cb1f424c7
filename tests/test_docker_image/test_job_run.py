"""How an exception becomes an exit code, a line on stderr and a failure record."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber

import hpc_job.run
from hpc_job.environment import Job
from hpc_job.errors import InputError, JobError
from hpc_job.records import write_record

GIVEN = {
    "STATE": "String_Repeat",
    "RUN_ID": "r1",
    "PROJECT_NO": "P",
    "OUTPUT_BUCKET": "b",
    "IMAGE": "image",
    "AWS_BATCH_JOB_ID": "id",
    "AWS_BATCH_JOB_ATTEMPT": "3",
    "SHARD": "x_00000",
}


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
