"""The outputs of a run in S3: its own only, and only as it left them."""

import json
import urllib.error
import urllib.request
from dataclasses import replace

import pytest

from hpc.errors import Conflict, NotSucceeded, WrongInput
from hpc.outputs import download_url, stored_outputs


@pytest.fixture
def done_run(make_run, project):
    parameters = {"ProjectNo": project, "INPUT_BUCKET": "data-bucket", "INPUT_KEY": "uploads/x/a.txt", "SPLIT_NUM": 2}
    return make_run(status="SUCCEEDED", parameters=parameters)


@pytest.fixture
def put_outputs(connection, string_processing):
    def put(run, content=b"content"):
        s3 = connection.client("s3")
        for name, key in string_processing.output_keys(run.parameters).items():
            etag = s3.put_object(Bucket="data-bucket", Key=key, Body=content)["ETag"]
            record = f"result/{run.project}/records/{run.run_id}/String_{name.title()}_Merge.json"
            s3.put_object(Bucket="data-bucket", Key=record, Body=json.dumps({"merged": {"key": key, "etag": etag}}))

    return put


@pytest.fixture
def outputs(connection, stack, string_processing):
    return lambda run: stored_outputs(connection, stack, string_processing, run)


def test_outputs_are_named_with_their_sizes(done_run, put_outputs, outputs):
    put_outputs(done_run)
    assert [(found.name, found.file_name, found.bytes) for found in outputs(done_run)] == [
        ("repeat", "repeat_a.txt_merge", 7),
        ("reverse", "reverse_a.txt_merge", 7),
    ]
    assert all(found.key.startswith(f"result/{done_run.project}/") for found in outputs(done_run))


@pytest.mark.parametrize(
    ("status", "kind"),
    [("PENDING", Conflict), ("RUNNING", Conflict), ("FAILED", NotSucceeded), ("CANCELLED", NotSucceeded)],
)
def test_a_run_that_did_not_succeed_has_none(done_run, put_outputs, outputs, status, kind):
    put_outputs(done_run)
    with pytest.raises(kind, match=f"found it {status}; expected SUCCEEDED"):
        outputs(replace(done_run, status=status))


def test_what_a_later_run_replaced_is_not_this_run_s(done_run, make_run, put_outputs, outputs):
    put_outputs(done_run)
    later = make_run(status="SUCCEEDED", parameters=dict(done_run.parameters))
    put_outputs(later, b"other")
    with pytest.raises(Conflict, match=f"a later run of project {done_run.project} replaced it"):
        outputs(done_run)
    assert len(outputs(later)) == 2


@pytest.mark.parametrize("bucket", ["foreign-bucket", "other-bucket"])
def test_nothing_outside_of_what_jobs_may_write_is_given_out(done_run, put_outputs, outputs, bucket):
    """An execution that a person started by hand may name any bucket."""
    put_outputs(done_run)
    with pytest.raises(WrongInput, match="which the platform's jobs may not use"):
        outputs(replace(done_run, parameters={**done_run.parameters, "OUTPUT_BUCKET": bucket}))


def test_a_result_that_is_gone(done_run, outputs):
    with pytest.raises(WrongInput, match="found no such object"):
        outputs(done_run)


def test_a_url_fetches_one_object_and_no_browser_shows_it(connection, done_run, put_outputs, outputs):
    put_outputs(done_run)
    url = download_url(connection, outputs(done_run)[0], expires_s=60)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"content"
        assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''repeat_a.txt_merge"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url.replace("Repeat_Merge/repeat", "Reverse_Merge/reverse"))
