"""Reading and writing S3 objects: what is sent, lost connections, and what S3's errors mean."""

from __future__ import annotations

import io
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

import hpc_job.object_reader
import hpc_job.object_writer
from hpc_job.environment import Job
from hpc_job.errors import InputError, JobError
from hpc_job.multipart_upload import MAX_PARTS, MultipartUpload, RecordedObject
from hpc_job.object_reader import ObjectReader, read_json
from hpc_job.object_writer import LARGEST_OBJECT_BYTES, ObjectWriter, part_bytes, put_json
from hpc_job.s3 import unreadable, unwritable
from hpc_job.uploads import Uploads
from string_merge.branch import BRANCHES, Shard, checked_output
from string_merge.in_order import in_order

PLACE = {"Bucket": "b", "Key": "k"}
PART_FIELDS = ("UploadId", "PartNumber", "ChecksumAlgorithm", "Body")


@pytest.fixture
def s3():
    client = boto3.client("s3", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        yield client, stub


class Flaky(io.BytesIO):
    """A response's body whose connection breaks after its bytes."""

    def read(self, *arguments: Any) -> bytes:
        data = super().read(*arguments)
        if not data:
            raise ReadTimeoutError(endpoint_url="s3")
        return data


def answer(stub: Stubber, body: io.BytesIO, length: int, **expected: Any) -> None:
    response = {"ETag": '"v1"', "ContentLength": length, "Body": StreamingBody(body, None)}
    stub.add_response("get_object", response, PLACE | expected)


def failure(code: str, operation: str = "GetObject", **fields: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "told by S3"} | fields}, operation)


def test_a_lost_connection_is_taken_up_where_it_broke(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hpc_job.object_reader, "RESUME_AFTER_S", (0, 0))
    client, stub = s3
    answer(stub, Flaky(b"abcd"), 9)
    answer(stub, Flaky(b""), 5, IfMatch='"v1"', Range="bytes=4-8")
    answer(stub, Flaky(b"efg"), 5, IfMatch='"v1"', Range="bytes=4-8")
    answer(stub, io.BytesIO(b"hi"), 2, IfMatch='"v1"', Range="bytes=7-8")
    assert b"".join(ObjectReader(client, "b", "k", "input").chunks(3)) == b"abcdefghi"
    stub.assert_no_pending_responses()


def test_a_large_object_is_read_in_pieces(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hpc_job.object_reader, "PIECE_BYTES", 4)
    monkeypatch.setattr(hpc_job.object_reader, "RESUME_AFTER_S", (0,))
    client, stub = s3
    answer(stub, io.BytesIO(b"abcdefghij"), 10)
    answer(stub, Flaky(b"gh"), 4, IfMatch='"v1"', Range="bytes=6-9")
    answer(stub, io.BytesIO(b"ij"), 2, IfMatch='"v1"', Range="bytes=8-9")
    assert b"".join(ObjectReader(client, "b", "k", "input").chunks(3)) == b"abcdefghij"
    stub.assert_no_pending_responses()
    answer(stub, io.BytesIO(b"cdefgh"), 6, Range="bytes=2-7")
    answer(stub, io.BytesIO(b"gh"), 2, IfMatch='"v1"', Range="bytes=6-7")
    assert b"".join(ObjectReader(client, "b", "k", "input", span=range(2, 8)).chunks(4)) == b"cdefgh"
    answer(stub, io.BytesIO(b"abcdefghij"), 10)
    answer(stub, io.BytesIO(b"e"), 4, IfMatch='"v1"', Range="bytes=4-7")
    with pytest.raises(JobError, match="found 5 bytes, expected 10"):
        list(ObjectReader(client, "b", "k", "input").chunks(4))


def test_a_connection_that_stays_lost_is_worth_another_try(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hpc_job.object_reader, "RESUME_AFTER_S", (0,))
    client, stub = s3
    answer(stub, Flaky(b"abcd"), 9)
    answer(stub, Flaky(b""), 5, IfMatch='"v1"', Range="bytes=4-8")
    with pytest.raises(JobError, match=r"^input s3://b/k: connection lost at byte 4: ") as lost:
        ObjectReader(client, "b", "k", "input").read()
    assert lost.value.exit_code == 1


def test_an_input_that_is_changed_in_mid_read_is_noticed(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hpc_job.object_reader, "RESUME_AFTER_S", (0,))
    client, stub = s3
    answer(stub, Flaky(b"abcd"), 9)
    stub.add_client_error("get_object", "PreconditionFailed", http_status_code=412)
    with pytest.raises(JobError, match="found that it was changed while it was read") as changed:
        ObjectReader(client, "b", "k", "input").read()
    assert changed.value.exit_code == 1


def test_an_input_that_was_changed_by_the_end_is_noticed(s3) -> None:
    client, stub = s3
    answer(stub, io.BytesIO(b"abc"), 3)
    stub.add_client_error("head_object", "412", http_status_code=412, expected_params=PLACE | {"IfMatch": '"v1"'})
    reader = ObjectReader(client, "b", "k", "input")
    assert reader.read() == b"abc"
    with pytest.raises(JobError, match=r"^input s3://b/k: found that it was changed while it was read"):
        reader.check_unchanged()


@pytest.mark.parametrize(
    ("code", "kind", "found"),
    [
        ("NoSuchKey", InputError, "found no such object, expected an object that this job may read"),
        ("404", InputError, "found no such object, expected an object that this job may read"),
        ("NoSuchBucket", InputError, "found no bucket b, expected an object that this job may read"),
        ("AccessDenied", InputError, "found that it does not exist or may not be read (access denied)"),
        ("403", InputError, "found that it does not exist or may not be read (access denied)"),
        ("PreconditionFailed", JobError, "found that it was changed while it was read"),
        ("SlowDown", JobError, "could not be read: SlowDown: told by S3 (GetObject)"),
    ],
)
def test_what_a_failed_read_means(code: str, kind: type[JobError], found: str) -> None:
    error = unreadable(failure(code), "b", "k", "input")
    assert type(error) is kind
    assert str(error).startswith(f"input s3://b/k: {found}")


@pytest.mark.parametrize(
    ("storage_class", "expected"),
    [
        ("GLACIER", "takes 3 to 5 hours (Tier=Bulk: 5 to 12 hours) and costs about 0.01 USD a GB"),
        ("DEEP_ARCHIVE", "takes up to 12 hours (Tier=Bulk: up to 48 hours) and costs about 0.02 USD a GB"),
        ("INTELLIGENT_TIERING", "takes 3 to 5 hours, from its deep archive tier up to 12 hours and costs nothing"),
    ],
)
def test_an_archived_object_comes_with_how_to_restore_it(storage_class: str, expected: str) -> None:
    error = unreadable(failure("InvalidObjectState", StorageClass=storage_class), "b", "it's", "input")
    assert type(error) is InputError
    assert f"found it archived (storage class {storage_class})" in str(error)
    assert "aws s3api restore-object --bucket b --key 'it'\"'\"'s' --restore-request '" in str(error)
    assert expected in str(error)


@pytest.mark.parametrize(
    ("code", "kind"), [("NoSuchBucket", InputError), ("AccessDenied", InputError), ("InternalError", JobError)]
)
def test_what_a_failed_write_means(code: str, kind: type[JobError]) -> None:
    error = unwritable(failure(code, "PutObject"), "b", "k")
    assert type(error) is kind
    assert str(error).startswith("output s3://b/k: ")


def test_a_small_object_is_one_put(s3) -> None:
    client, stub = s3
    stub.add_response("put_object", {"ETag": '"1"'}, PLACE | {"Body": b"abcdef", "Tagging": "retention=intermediate"})
    with Uploads(client) as uploads, ObjectWriter(uploads, "b", "k", intermediate=True) as output:
        output.write(b"abc")
        output.write(b"def")
        with pytest.raises(RuntimeError, match=r"^s3://b/k is not complete$"):
            _ = output.etag
        output.complete()
    assert output.etag == "1"
    stub.assert_no_pending_responses()


def test_a_large_object_is_one_tagged_multipart_upload(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hpc_job.object_writer, "FIRST_PART_BYTES", 4)
    client, stub = s3
    create = PLACE | {"ChecksumAlgorithm": "CRC32", "Tagging": "retention=intermediate"}
    part = PLACE | {"UploadId": "u", "ChecksumAlgorithm": "CRC32"}
    stub.add_response("create_multipart_upload", {"UploadId": "u"}, create)
    stub.add_response("upload_part", {"ETag": '"1"', "ChecksumCRC32": "c1"}, part | {"PartNumber": 1, "Body": b"abcde"})
    stub.add_response("upload_part", {"ETag": '"2"'}, part | {"PartNumber": 2, "Body": b"fg"})
    parts = [{"PartNumber": 1, "ETag": '"1"', "ChecksumCRC32": "c1"}, {"PartNumber": 2, "ETag": '"2"'}]
    complete = PLACE | {"UploadId": "u", "MultipartUpload": {"Parts": parts}}
    stub.add_response("complete_multipart_upload", {"ETag": '"12-2"'}, complete)
    with Uploads(client, threads=1) as uploads, ObjectWriter(uploads, "b", "k", intermediate=True) as output:
        output.write(b"abcde")
        output.write(b"fg")
        output.complete()
    assert output.etag == "12-2"
    stub.assert_no_pending_responses()


def test_an_upload_is_aborted_when_a_part_fails(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hpc_job.object_writer, "FIRST_PART_BYTES", 4)
    client, stub = s3
    stub.add_response("create_multipart_upload", {"UploadId": "u"}, PLACE | {"ChecksumAlgorithm": "CRC32"})
    stub.add_client_error("upload_part", "InternalError", http_status_code=500)
    stub.add_response("abort_multipart_upload", {}, PLACE | {"UploadId": "u"})
    with (
        pytest.raises(JobError, match=r"^output s3://b/k: could not be written: InternalError"),
        Uploads(client, threads=1) as uploads,
        ObjectWriter(uploads, "b", "k", intermediate=False) as output,
    ):
        output.write(b"abcde")
        output.complete()
    stub.assert_no_pending_responses()


SOURCE = RecordedObject("b", "source", "v1", "output of shard x")
COPY = PLACE | {
    "UploadId": "u",
    "CopySource": {"Bucket": "b", "Key": "source"},
    "CopySourceIfMatch": '"v1"',
}


def test_parts_are_sent_and_copied_in_one_upload(s3) -> None:
    client, stub = s3
    stub.add_response("create_multipart_upload", {"UploadId": "u"}, PLACE | {"ChecksumAlgorithm": "CRC32"})
    copied = {"CopyPartResult": {"ETag": '"1"', "ChecksumCRC32": "c1"}}
    stub.add_response("upload_part_copy", copied, COPY | {"PartNumber": 1})
    part = PLACE | {"UploadId": "u", "ChecksumAlgorithm": "CRC32", "PartNumber": 2, "Body": b"sent"}
    stub.add_response("upload_part", {"ETag": '"2"'}, part)
    copied = {"CopyPartResult": {"ETag": '"3"'}}
    stub.add_response("upload_part_copy", copied, COPY | {"PartNumber": 3, "CopySourceRange": "bytes=5-9"})
    parts = [
        {"PartNumber": 1, "ETag": '"1"', "ChecksumCRC32": "c1"},
        {"PartNumber": 2, "ETag": '"2"'},
        {"PartNumber": 3, "ETag": '"3"'},
    ]
    complete = PLACE | {"UploadId": "u", "MultipartUpload": {"Parts": parts}}
    stub.add_response("complete_multipart_upload", {"ETag": '"all-3"'}, complete)
    with Uploads(client, threads=1) as uploads, MultipartUpload(uploads, "b", "k") as upload:
        upload.copy_part(SOURCE)
        upload.send_part(b"sent")
        upload.copy_part(SOURCE, range(5, 10))
        assert upload.complete() == "all-3"
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "kind", "found"),
    [
        ("PreconditionFailed", InputError, "found that it was changed after its job recorded it"),
        ("NoSuchKey", InputError, "found no such object"),
        ("SlowDown", JobError, "could not be read: SlowDown:  (UploadPartCopy)"),
    ],
)
def test_a_source_that_cannot_be_copied_is_named_and_the_upload_aborted(
    s3, code: str, kind: type[JobError], found: str
) -> None:
    client, stub = s3
    stub.add_response("create_multipart_upload", {"UploadId": "u"}, PLACE | {"ChecksumAlgorithm": "CRC32"})
    stub.add_client_error("upload_part_copy", code)
    stub.add_response("abort_multipart_upload", {}, PLACE | {"UploadId": "u"})
    with (
        pytest.raises(JobError) as refused,
        Uploads(client, threads=1) as uploads,
        MultipartUpload(uploads, "b", "k") as upload,
    ):
        upload.copy_part(SOURCE)
        upload.complete()
    assert type(refused.value) is kind
    assert str(refused.value).startswith(f"output of shard x s3://b/source: {found}")
    stub.assert_no_pending_responses()


def test_a_span_of_a_recorded_version_is_read_over_a_lost_connection(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hpc_job.object_reader, "RESUME_AFTER_S", (0,))
    client, stub = s3
    answer(stub, Flaky(b"cd"), 4, IfMatch='"v1"', Range="bytes=2-5")
    answer(stub, io.BytesIO(b"ef"), 2, IfMatch='"v1"', Range="bytes=4-5")
    assert ObjectReader(client, "b", "k", "output", span=range(2, 6), etag="v1").read() == b"cdef"
    stub.add_client_error("get_object", "PreconditionFailed", http_status_code=412)
    with pytest.raises(InputError, match=r"^output s3://b/k: found that it was changed after its job recorded it"):
        ObjectReader(client, "b", "k", "output", span=range(2, 6), etag="v1")


def test_nothing_is_written_when_the_source_fails(s3) -> None:
    client, stub = s3
    with (
        pytest.raises(KeyError),
        Uploads(client) as uploads,
        ObjectWriter(uploads, "b", "k", intermediate=False) as output,
    ):
        output.write(b"abc")
        raise KeyError
    stub.assert_no_pending_responses()


def test_parts_grow_so_that_s3s_number_of_parts_suffices() -> None:
    sizes = [part_bytes(number) for number in range(MAX_PARTS)]
    assert sum(sizes) == LARGEST_OBJECT_BYTES
    assert min(sizes) >= 5 * 1024**2
    assert max(sizes) <= 5 * 1024**3
    assert LARGEST_OBJECT_BYTES > 700 * 1024**3


def test_an_object_with_too_many_parts_is_refused(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hpc_job.object_writer, "FIRST_PART_BYTES", 1)
    monkeypatch.setattr(hpc_job.object_writer, "MAX_PARTS", 1)
    client, stub = s3
    stub.add_response("create_multipart_upload", {"UploadId": "u"}, PLACE | {"ChecksumAlgorithm": "CRC32"})
    stub.add_response("upload_part", {"ETag": '"1"'}, dict.fromkeys((*PLACE, *PART_FIELDS), ANY))
    stub.add_response("abort_multipart_upload", {}, PLACE | {"UploadId": "u"})
    with (
        pytest.raises(InputError, match=rf"found more than {LARGEST_OBJECT_BYTES} bytes to write"),
        Uploads(client, threads=1) as uploads,
        ObjectWriter(uploads, "b", "k", intermediate=False) as output,
    ):
        output.write(b"a")
        output.write(b"b")


def test_json_is_compact_utf_8(s3) -> None:
    client, stub = s3
    expected = PLACE | {"Body": '{"name":"ä","n":1}'.encode(), "ContentType": "application/json"}
    stub.add_response("put_object", {}, expected)
    put_json(client, "b", "k", {"name": "ä", "n": 1}, intermediate=False)
    stub.assert_no_pending_responses()


@pytest.mark.parametrize(("text", "found"), [(b"{", "text that is not JSON"), (b"[]", "a JSON list")])
def test_a_record_that_is_no_record_is_named(s3, text: bytes, found: str) -> None:
    client, stub = s3
    answer(stub, io.BytesIO(text), len(text))
    with pytest.raises(JobError, match=rf"^record s3://b/k: found {found}"):
        read_json(client, "b", "k", "record")


@pytest.mark.parametrize("name", ["index", "shard", "key", "bytes", "lines", "terminator_bytes", "source_sha256"])
def test_a_record_that_does_not_fit_the_splits_is_named(name: str) -> None:
    job = Job("String_Repeat_Merge", "r", "P", "b", "image", "id", 1, None, "2026-01-31T09:30:00.000Z")
    branch = BRANCHES["String_Repeat"]
    shard = Shard(index=3, name="x_00003", bytes=10, lines=2, terminator_bytes=3, sha256="1" * 64)
    record = {
        "index": 3,
        "shard": "x_00003",
        "key": "result/P/String_Repeat/repeat_x_00003",
        "bytes": 17,
        "lines": 2,
        "terminator_bytes": 3,
        "sha256": "2" * 64,
        "source_sha256": "1" * 64,
        "etag": "3" * 32,
    }
    assert checked_output(job, branch, shard, record, "s3://b/k").bytes == 17
    with pytest.raises(JobError) as misfit:
        checked_output(job, branch, shard, record | {name: "wrong"}, "s3://b/k")
    assert str(misfit.value) == (
        f"shard x_00003 of String_Repeat: found {name} 'wrong' in its record s3://b/k, expected {record[name]!r}; "
        "start a new run of this project"
    )


@pytest.mark.parametrize(
    ("state", "found", "expected"),
    [
        ("String_Repeat", 2, 3),
        ("String_Repeat", 4, 3),
        ("String_Reverse", 2, 3),
        ("String_Reverse", 5, 4),
        ("String_Reverse", None, 3),
        ("String_Reverse", "4", 3),
    ],
)
def test_terminators_that_no_shard_like_this_can_have_are_refused(state: str, found: object, expected: int) -> None:
    job = Job("Merge", "r", "P", "b", "image", "id", 1, None, "2026-01-31T09:30:00.000Z")
    branch = BRANCHES[state]
    shard = Shard(index=0, name="x_00000", bytes=10, lines=2, terminator_bytes=3, sha256="1" * 64)
    record = {
        "index": 0,
        "shard": "x_00000",
        "key": branch.output_key(job, "x_00000"),
        "bytes": 10 if branch.copies == 1 else 17,
        "lines": 2,
        "sha256": "2" * 64,
        "source_sha256": "1" * 64,
        "etag": "3" * 32,
    }
    assert checked_output(job, branch, shard, record | {"terminator_bytes": expected}, "s3://b/k")
    with pytest.raises(InputError, match=rf"found terminator_bytes {found!r} in .*, expected {expected};"):
        checked_output(job, branch, shard, record | {"terminator_bytes": found}, "s3://b/k")


def test_results_come_in_order_and_the_first_error_ends_them() -> None:
    assert list(in_order(lambda n: n * n, range(100), threads=3)) == [n * n for n in range(100)]
    assert list(in_order(abs, [], threads=3)) == []
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda n: 1 // n, [1, 0, 2], threads=2))
