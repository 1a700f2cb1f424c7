"""From a file on this machine to a started execution."""

import hashlib
import json

import pytest

from hpc import job_definitions, objects
from hpc import workflow_folders as folders
from hpc.connection import caller
from hpc.errors import WrongInput
from hpc.file_submission import check_local, submit_file, upload


@pytest.fixture
def lines_file(tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text("one\ntwo\nthree\n")
    return file


@pytest.fixture
def checked(string_processing, lines_file, project):
    """The parameters and the scan of a good file."""
    return check_local(string_processing, {"ProjectNo": project, "SPLIT_NUM": 2}, lines_file, on_laptop=True)


@pytest.fixture
def submit(connection, stack, string_processing, checked):
    """Submits that file; gives the run and what was said."""

    def do(**changes):
        values, local = checked
        said = []
        run = submit_file(
            connection, stack, string_processing, values | changes, local, overwrite=False, say=said.append
        )
        return run, said

    return do


def execution_of(connection, run):
    return connection.client("stepfunctions").describe_execution(executionArn=run.execution_arn)


def test_the_key_of_an_upload_names_project_content_and_file(checked, project):
    values, local = checked
    sha256 = hashlib.sha256(b"one\ntwo\nthree\n").hexdigest()
    assert values["INPUT_KEY"] == f"uploads/{project}/{sha256[:12]}/lines.txt"
    assert (local.scan.lines, local.shards) == (3, 2)


def test_parameters_are_judged_before_the_file(string_processing, tmp_path):
    with pytest.raises(WrongInput, match=r"^--project \(ProjectNo\): found '\.\.'; "):
        check_local(string_processing, {"ProjectNo": "..", "SPLIT_NUM": 2}, tmp_path / "missing", on_laptop=True)


def test_too_many_shards_are_refused_before_anything_is_uploaded(string_processing, tmp_path):
    file = tmp_path / "many.txt"
    file.write_bytes(b"\n" * 2_000_001)
    with pytest.raises(WrongInput) as refusal:
        check_local(string_processing, {"ProjectNo": "P1", "SPLIT_NUM": 2}, file, on_laptop=True)
    assert str(refusal.value) == (
        "--lines-per-shard (SPLIT_NUM): found 2, which makes 1000001 shards of the 2000001 lines; expected at most "
        "1000000 shards; the smallest number that fits is 3"
    )


def test_a_file_and_an_object_are_refused_together(string_processing, lines_file):
    given = {"ProjectNo": "P1", "SPLIT_NUM": 2, "INPUT_KEY": "uploads/a"}
    with pytest.raises(WrongInput) as refusal:
        check_local(string_processing, given, lines_file, on_laptop=True)
    assert str(refusal.value) == (
        "INPUT_KEY: found 'uploads/a' beside FILE; expected one of both; leave FILE out to work on an object that is "
        "in S3"
    )


def test_a_workflow_that_takes_no_file_refuses_one(workflow_folders, counting_yaml, lines_file):
    workflow_folders("counting", counting_yaml)
    with pytest.raises(WrongInput, match=r"expected none, workflow counting takes no file$"):
        check_local(folders.load("counting"), {"ProjectNo": "P1"}, lines_file, on_laptop=True)


def test_a_submitted_file_becomes_an_object_a_row_and_an_execution(connection, stack, submit, checked, project):
    run, said = submit()
    values, _ = checked
    key = values["INPUT_KEY"]
    assert said == [f"Uploading 'lines.txt' (0.0 MB) to s3://data-bucket/{key}"]
    s3 = connection.client("s3")
    assert s3.get_object(Bucket="data-bucket", Key=key)["Body"].read() == b"one\ntwo\nthree\n"

    row = connection.table(stack.run_table).get_item(Key={"pk": f"RUN#{run.run_id}", "sk": "META"})["Item"]
    etag = s3.head_object(Bucket="data-bucket", Key=key)["ETag"].strip('"')
    expected_parameters = {
        "ProjectNo": project,
        "INPUT_BUCKET": "data-bucket",
        "INPUT_KEY": key,
        "OUTPUT_BUCKET": "data-bucket",
        "SPLIT_NUM": 2,
        "architecture": "graviton",
    }
    assert row == {
        "pk": f"RUN#{run.run_id}",
        "sk": "META",
        "status": "PENDING",
        "workflow": "string_processing",
        "project": project,
        "input_bytes": 14,
        "estimate": json.dumps(dict(run.estimate)),
        "created_at": run.created_at,
        "execution_arn": run.execution_arn,
        "parameters": expected_parameters,
        "input_etag": etag,
        "shards": 2,
        "owner": caller(connection),
        "code": job_definitions.code_ids(
            connection, job_definitions.newest(connection, stack, folders.load("string_processing"))
        ),
    }

    assert run.estimate["basis"] == "job definitions"
    # Of 2 shards: 1 + 2 * 2 + 2 tasks of at most an hour.
    assert run.estimate["cost_usd"]["high"] == pytest.approx(7 * 0.0504, rel=0.01)

    execution = execution_of(connection, run)
    assert execution["name"] == f"{run.run_id}-1"
    given = json.loads(execution["input"])
    definitions = given.pop("job_definitions")
    assert given == {**expected_parameters, "run_id": run.run_id, "input_etag": etag}
    assert definitions.keys() == {"string_split", "string_repeat", "string_reverse", "string_merge"}


@pytest.mark.usefixtures("stack")
class TestUpload:
    """The same content is uploaded once."""

    def upload(self, connection, local, key):
        said = []
        etag = upload(connection, local, "data-bucket", key, say=said.append)
        return etag, len(said)

    def test_a_second_upload_of_the_same_content_is_skipped(self, connection, checked, project):
        key = f"uploads/{project}/x/lines.txt"
        etag, uploads = self.upload(connection, checked[1], key)
        assert uploads == 1
        assert self.upload(connection, checked[1], key) == (etag, 0)

    @pytest.mark.parametrize(
        "there",
        [
            {"Body": b"one\ntwo\nthree!"},
            {"Body": b"longer than the file"},
            {"Body": b"one\ntwo\nthree\n", "StorageClass": "GLACIER"},
        ],
    )
    def test_what_is_not_the_same_or_cannot_be_read_is_replaced(self, connection, checked, project, there):
        key = f"uploads/{project}/x/lines.txt"
        connection.client("s3").put_object(
            Bucket="data-bucket", Key=key, Metadata={"sha256": checked[1].scan.sha256[:10]}, **there
        )
        assert self.upload(connection, checked[1], key)[1] == 1
        assert objects.check_object(connection, "data-bucket", key)["ContentLength"] == 14

    @pytest.mark.parametrize("content", ["longer than it was", "same, 14 bytes"])
    def test_a_file_that_changed_since_the_scan_is_refused(self, connection, checked, project, lines_file, content):
        key = f"uploads/{project}/x/lines.txt"
        lines_file.write_text(content)
        with pytest.raises(WrongInput) as refusal:
            self.upload(connection, checked[1], key)
        assert str(refusal.value) == (
            f"FILE: found {str(lines_file)!r} changed during the upload; expected it to stay as it is; submit it again "
            "when nothing writes to it"
        )
        assert connection.client("s3").list_objects_v2(Bucket="data-bucket", Prefix=key)["KeyCount"] == 0

    def test_a_file_that_is_gone_since_the_scan_is_refused(self, connection, checked, project, lines_file):
        lines_file.unlink()
        with pytest.raises(WrongInput, match=r"No such file or directory; it was there before$"):
            self.upload(connection, checked[1], f"uploads/{project}/x/lines.txt")


def test_the_same_project_with_another_file_is_refused(connection, stack, submit, checked, project):
    key = {"pk": f"LEASE#{project}", "sk": "LEASE"}
    other = f"s3://data-bucket/uploads/{project}/0123456789ab/lines.txt"
    connection.table(stack.run_table).put_item(Item={**key, "input_uri": other, "input_etag": "e"})
    with pytest.raises(WrongInput, match=rf"^project {project}: found results of another input, '{other}'; "):
        submit()
    values, _ = checked
    head = connection.client("s3").list_objects_v2(Bucket="data-bucket", Prefix=values["INPUT_KEY"])
    assert head["KeyCount"] == 0, "it was refused before the upload"


def test_a_run_that_is_still_going_refuses_the_next(connection, stack, submit, project):
    first, _ = submit()
    # The state machine would have taken the lease by now.
    row = {"pk": f"LEASE#{project}", "sk": "LEASE", "holder": first.run_id, "execution_arn": first.execution_arn}
    connection.table(stack.run_table).put_item(Item=row)
    with pytest.raises(WrongInput, match=rf"found run {first.run_id} of it still going \(PENDING\)"):
        submit()
    connection.client("stepfunctions").stop_execution(executionArn=first.execution_arn)
    second, said = submit()
    assert second.run_id != first.run_id
    assert said == []
