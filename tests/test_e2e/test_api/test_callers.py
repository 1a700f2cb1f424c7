"""Who may call the API, and whose runs they may touch: real signatures, real roles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from botocore.credentials import Credentials

from tests.test_e2e.api_client import Api
from tests.test_e2e.conftest import Platform


def caller(platform: Platform, name: str, *actions: str) -> Api:
    """A user of the account who may call the API (or do what is named), with a key of their own."""
    iam = platform.client("iam")
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": actions or ("execute-api:Invoke",), "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="Own", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Api(platform, Credentials(key["AccessKeyId"], key["SecretAccessKey"]))


@pytest.mark.parametrize("path", ["/workflows", "/runs", "/openapi.json"])
def test_who_does_not_sign_or_signs_wrongly_is_refused(api, platform, path):
    wrong = Api(platform, Credentials(platform.key["access_key_id"], "not-the-secret"))
    stranger = Api(platform, Credentials("AKIA0000000000000000", "secret"))
    for answer in (api.call("GET", path, is_signed=False), wrong.get(path), stranger.get(path)):
        assert (answer.status, answer.fields) == (403, [])


@pytest.mark.parametrize("changed", ["url", "data", "method"])
def test_a_signature_is_good_for_one_request_only(api, changed):
    request = api.request("POST", "/runs?dry_run=true", {"workflow": "nothing", "parameters": {}})
    api.sign(request)
    other = {"url": f"{api.url}/runs", "data": b'{"workflow": "other", "parameters": {}}', "method": "GET"}
    setattr(request, changed, other[changed])
    answer = api.send(request)
    assert (answer.status, answer.fields) == (403, [])


def test_a_principal_who_may_not_call_the_api_is_refused(platform):
    reader = caller(platform, "reader", "s3:GetObject")
    assert reader.get("/runs").status == 403


def test_another_owner_s_run_is_seen_but_neither_ended_nor_continued_nor_fetched(api, platform, parameters):
    # Given a run of one user
    alice, bob = caller(platform, "alice"), caller(platform, "bob")
    run_id = alice.submit(parameters).document["run_id"]
    owner = "arn:aws:iam::000000000000:user/alice"
    # Then others see it
    assert bob.get(f"/runs/{run_id}").document["owner"] == owner
    assert [run["run_id"] for run in bob.get(f"/runs?owner={quote(owner, safe='')}").document["runs"]] == [run_id]
    assert bob.get("/runs?owner=me").document["runs"] == []
    # And may not touch it, whatever owner they call themselves
    for call in ("cancel", "resume"):
        refused = bob.post(f"/runs/{run_id}/{call}", X_Hpc_Owner=owner)
        assert (refused.status, refused.fields) == (403, [])
        assert owner in refused.document["detail"]
    assert bob.get(f"/runs/{run_id}/results", X_Hpc_Owner=owner).status == 403
    assert alice.wait(run_id)["status"] == "SUCCEEDED"
    assert alice.get(f"/runs/{run_id}/results").status == 200


@pytest.fixture
def page(platform) -> Iterator[Api]:
    """A caller with a role that the function trusts, as the web page's is."""
    iam, functions = platform.client("iam"), platform.client("lambda")
    anyone = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
    role = iam.create_role(RoleName="WebTask", Path="/web/", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    may_call = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may_call]})
    iam.put_role_policy(RoleName="WebTask", PolicyName="Call", PolicyDocument=policy)
    names = {each["Handler"]: each["FunctionName"] for each in functions.list_functions()["Functions"]}
    name = names["api.handler"]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    trusting = {**before, "TRUSTED_ROLES": json.dumps([role]), "ADMINS": json.dumps(["boss@example.org"])}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": trusting})
    session = platform.client("sts").assume_role(RoleArn=role, RoleSessionName="task")["Credentials"]
    yield Api(platform, Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"]))
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def test_a_trusted_page_names_the_owner_and_admins_may_touch_everything(api, page, parameters):
    run = page.submit(parameters, X_Hpc_Owner="dora@example.org").document
    assert run["owner"] == "dora@example.org"
    assert api.wait(run["run_id"])["status"] == "SUCCEEDED"
    path = f"/runs/{run['run_id']}/results"
    for name, status in (("dora@example.org", 200), ("emil", 403), ("boss@example.org", 200)):
        assert page.get(path, X_Hpc_Owner=name).status == status
    assert (page.get(path).status, api.get(path, X_Hpc_Owner="dora@example.org").status) == (403, 403)
    mine = page.get("/runs?owner=me", X_Hpc_Owner="dora@example.org").document["runs"]
    assert [found["run_id"] for found in mine] == [run["run_id"]]
    # Without sign-in there is one owner for all
    other = page.submit({**parameters, "ProjectNo": f"{parameters['ProjectNo']}-2"}).document
    assert other["owner"] == "shared"
    assert api.wait(other["run_id"])["status"] == "SUCCEEDED"
