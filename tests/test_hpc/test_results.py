"""Fetching of outputs: whole, and of that run."""

import hashlib
import json

import pytest

from hpc.errors import HpcError, WrongInput
from hpc.results import fetch, first_line, prepare_directory

CONTENTS = {"repeat": b"abcabc\r\nxx", "reverse": b"cba\r\nx"}


@pytest.fixture
def done_run(make_run, project):
    parameters = {"ProjectNo": project, "INPUT_BUCKET": "data-bucket", "INPUT_KEY": "uploads/x/a.txt", "SPLIT_NUM": 2}
    return make_run(status="SUCCEEDED", parameters=parameters)


@pytest.fixture
def put_outputs(connection, string_processing):
    """Puts the outputs of a run and the records of its merges into S3, as its jobs do."""

    def put(run, **settings):
        s3 = connection.client("s3")
        keys = string_processing.output_keys(run.parameters)
        for name, content in CONTENTS.items():
            s3.put_object(Bucket="data-bucket", Key=keys[name], Body=content, **settings)
            merged = {"key": keys[name], "lines": 2, "sha256": hashlib.sha256(content).hexdigest()}
            record = f"result/{run.project}/records/{run.run_id}/String_{name.title()}_Merge.json"
            s3.put_object(Bucket="data-bucket", Key=record, Body=json.dumps({"merged": merged}))

    return put


@pytest.fixture
def do_fetch(connection, stack, string_processing, tmp_path):
    """Fetches to a folder that is not there yet."""
    return lambda run: fetch(connection, stack, string_processing, run, tmp_path / "new" / "out")


def test_outputs_come_under_the_last_part_of_their_keys(done_run, put_outputs, do_fetch, tmp_path):
    put_outputs(done_run)
    results = do_fetch(done_run)
    folder = tmp_path / "new" / "out"
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        "repeat_a.txt_merge": CONTENTS["repeat"],
        "reverse_a.txt_merge": CONTENTS["reverse"],
    }
    first = results[0]
    assert (first.path, first.bytes, first.lines, first.first_line) == (folder / "repeat_a.txt_merge", 10, 2, "abcabc")
    assert [result.title for result in results] == ["Every line twice", "Every line backwards"]


def test_fetching_again_replaces_what_is_there(done_run, put_outputs, do_fetch, tmp_path):
    put_outputs(done_run)
    do_fetch(done_run)
    file = tmp_path / "new" / "out" / "repeat_a.txt_merge"
    file.write_text("older and longer than what comes")
    do_fetch(done_run)
    assert file.read_bytes() == CONTENTS["repeat"]


def test_outputs_that_a_later_run_replaced_are_refused(connection, done_run, put_outputs, do_fetch, tmp_path):
    put_outputs(done_run)
    sha256 = hashlib.sha256(CONTENTS["repeat"]).hexdigest()
    key = f"result/{done_run.project}/String_Repeat_Merge/repeat_a.txt_merge"
    connection.client("s3").put_object(Bucket="data-bucket", Key=key, Body=b"another run's")
    with pytest.raises(HpcError) as failure:
        do_fetch(done_run)
    assert str(failure.value) == (
        f"run {done_run.run_id}: found s3://data-bucket/{key} with another content than the run wrote; expected "
        f"SHA-256 {sha256}; a later run of project {done_run.project} replaced it, so "
        "fetch that one's (hpc runs)"
    )
    assert list((tmp_path / "new" / "out").iterdir()) == []


def test_archived_outputs_are_refused_with_the_way_back(done_run, put_outputs, do_fetch):
    put_outputs(done_run, StorageClass="GLACIER")
    with pytest.raises(WrongInput, match="found it archived in Glacier Flexible Retrieval"):
        do_fetch(done_run)


def test_outputs_that_are_gone_are_refused(done_run, do_fetch):
    with pytest.raises(WrongInput, match="_merge': found no such object; expected one that exists"):
        do_fetch(done_run)


@pytest.mark.parametrize(
    ("status", "error", "advice"),
    [
        ("RUNNING", WrongInput, "expected SUCCEEDED; wait for it: hpc show {} --watch"),
        ("FAILED", HpcError, "expected SUCCEEDED, there are no checked results; see why: hpc show {}"),
        ("CANCELLED", HpcError, "expected SUCCEEDED, there are no checked results; see why: hpc show {}"),
    ],
)
def test_a_run_without_results_is_refused(make_run, do_fetch, status, error, advice):
    run = make_run(status=status)
    with pytest.raises(error) as failure:
        do_fetch(run)
    assert str(failure.value) == f"run {run.run_id}: found it {status}; {advice.format(run.run_id)}"
    assert failure.value.exit_code == error.exit_code


def test_a_folder_in_the_way_is_refused(done_run, put_outputs, do_fetch, tmp_path):
    put_outputs(done_run)
    folder = tmp_path / "new" / "out" / "repeat_a.txt_merge"
    (folder / "something").mkdir(parents=True)
    with pytest.raises(WrongInput) as failure:
        do_fetch(done_run)
    assert str(failure.value) == (
        f"--output: '{folder}' cannot be written: Is a directory; expected room and a file name that is free"
    )


def test_an_output_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WrongInput) as failure:
        prepare_directory(tmp_path / "file" / "out")
    assert str(failure.value) == (
        f"--output: found '{tmp_path}/file/out': Not a directory; expected a folder that you may write, or may make"
    )
    with pytest.raises(WrongInput, match="': File exists; expected a folder"):
        prepare_directory(tmp_path / "file")


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"", ""),
        (b"one\ntwo", "one"),
        (b"one\r\ntwo", "one"),
        (b"no end", "no end"),
        ("ü".encode() * 60 + b"\n", "ü" * 60),
        ("土".encode() * 61 + b"\n", "土" * 60 + "..."),
        (b"x" * 100_000, "x" * 60 + "..."),
        (b"\x1b[31mred\x00\xff\n", r"\x1b[31mred\x00\xff"),
    ],
)
def test_first_line(tmp_path, content, shown):
    (tmp_path / "file").write_bytes(content)
    assert first_line(tmp_path / "file") == shown
