"""Where uploads go, and what the signed form allows."""

import base64
import hashlib
import json
import re
from types import SimpleNamespace

import boto3
import pytest
import yaml

from tests.test_lambda.api_calls import ALICE, event, refusal
from tests.test_lambda.conftest import FUNCTIONS

UPLOAD = {"workflow": "string_processing", "project": "Soil1", "file_name": "lines.txt"}


@pytest.fixture(scope="module")
def deployment(function) -> SimpleNamespace:
    """What a deployment is to an upload; signing a form calls nobody."""
    file = FUNCTIONS.parent / "workflows" / "string_processing" / "workflow.yaml"
    workflows = function.deployment.read_workflows([yaml.safe_load(file.read_text("utf-8"))])
    s3 = boto3.client("s3", region_name="eu-central-1", aws_access_key_id="AKIA", aws_secret_access_key="secret")
    return SimpleNamespace(
        workflow=workflows.__getitem__,
        stack=SimpleNamespace(bucket="data"),
        connection=SimpleNamespace(client=lambda _: s3),
    )


def upload(function, deployment, *, owner: str = ALICE, key: str | None = None, **changes: str) -> dict:
    headers = {} if key is None else {"Idempotency-Key": key}
    request = function.request.parse(event("POST", "/uploads", body=UPLOAD | changes, headers=headers))
    return function.workflow_calls.create_upload(deployment, request, owner).document


def test_each_upload_without_a_key_has_a_folder_of_its_own(function, deployment):
    keys = {upload(function, deployment)["key"] for _ in range(5)}
    assert len(keys) == 5
    assert all(re.fullmatch(r"uploads/Soil1/[0-9a-f]{12}/lines\.txt", key) for key in keys)


def test_an_upload_with_a_key_has_the_same_place_each_time_for_one_owner(function, deployment):
    folder = hashlib.sha256(f"{ALICE}#soil-a".encode()).hexdigest()[:12]
    assert upload(function, deployment, key="soil-a")["key"] == f"uploads/Soil1/{folder}/lines.txt"
    assert upload(function, deployment, key="soil-a")["key"] == f"uploads/Soil1/{folder}/lines.txt"
    others = [{"key": "soil-b"}, {"key": "soil-a", "owner": "bob"}, {"key": "soil-a", "file_name": "other.txt"}]
    keys = {upload(function, deployment, **other)["key"] for other in others}
    assert len(keys | {f"uploads/Soil1/{folder}/lines.txt"}) == 4


@pytest.mark.parametrize("key", ["", "a b", "../x", "k" * 129, "a#b"])
def test_a_key_that_is_not_allowed_is_refused(function, key):
    given = event("POST", "/uploads", body=UPLOAD, headers={"idempotency-key": key})
    assert refusal(function, given) == (400, ["Idempotency-Key"])


def test_the_form_is_good_for_one_key_of_one_bucket_and_a_limited_size(function, deployment):
    form = upload(function, deployment, key="soil-a")
    policy = json.loads(base64.b64decode(form["fields"]["policy"]))
    assert {"bucket": "data"} in policy["conditions"]
    assert policy["conditions"].count({"key": form["key"]}) == 1
    assert ["content-length-range", 0, form["max_bytes"]] in policy["conditions"]
    assert not [each for each in policy["conditions"] if isinstance(each, list) and each[0] == "starts-with"]
    assert form["fields"]["key"] == form["key"]


@pytest.mark.parametrize("field", ["project", "file_name"])
@pytest.mark.parametrize("name", ["${filename}", "a${filename}b", "a.${filename}"])
def test_a_name_that_s3_would_put_another_one_into_is_refused(function, field, name):
    assert refusal(function, event("POST", "/uploads", body=UPLOAD | {field: name})) == (422, [field])


def test_names_that_only_look_like_it_are_taken(function, deployment):
    for name in ("$filename", "{filename}", "${file}", "a$"):
        assert upload(function, deployment, file_name=name)["key"].endswith(f"/{name}")
