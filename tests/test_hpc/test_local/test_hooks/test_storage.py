"""Which requests go to the object store, and which keys they name."""

from __future__ import annotations

import json

from tests.test_hpc.test_local.test_hooks.conftest import run

ROUTES = """
import json, sys
from ministack.services import s3
from hpc.local.hooks.accounts import enter
from hpc.local.hooks.storage import goes_to_store, is_in_store

enter("000000000000", "us-east-1")
for name in ("data", "cdk-assets"):
    s3._create_bucket(name, b"", {})
for method, path, query in json.loads(CASES):
    print(json.dumps(goes_to_store(method, path, query)))
"""
CASES = [
    ("GET", "/data/key", "", True),
    ("PUT", "/data/a/b", "partNumber=1&uploadId=u", True),
    ("HEAD", "/data/key", "", True),
    ("DELETE", "/data/key", "", True),
    ("GET", "/data/key", "tagging", True),
    ("GET", "/data", "", True),
    ("GET", "/data/", "list-type=2&prefix=a%2F&delimiter=%2F", True),
    ("GET", "/data", "list-type=2&X-Amz-Signature=s&X-Amz-Credential=c", True),
    ("GET", "/data", "uploads", True),
    ("POST", "/data", "delete", True),
    ("GET", "/data", "policy", False),
    ("GET", "/data", "lifecycle", False),
    ("GET", "/data", "location", False),
    ("PUT", "/data", "", False),
    ("PUT", "/data", "policy", False),
    ("HEAD", "/data", "", False),
    ("DELETE", "/data", "", False),
    ("GET", "/", "", False),
    ("GET", "/cdk-assets/key", "", False),
    ("PUT", "/cdk-assets/key", "", False),
    ("GET", "/unknown/key", "", False),
]


def test_objects_go_to_the_store_and_questions_about_buckets_to_the_emulator(tmp_path):
    given = json.dumps([case[:3] for case in CASES])
    answers = run(tmp_path, ROUTES.replace("CASES", repr(given)))
    assert [(*case[:3], answer) for case, answer in zip(CASES, answers, strict=True)] == CASES


def test_keys_are_looked_at_wherever_a_request_names_them(tmp_path):
    code = """
import json
from hpc.local.hooks.storage import refusal
delete = b"<Delete><Object><Key>a/b</Key></Object><Object><Key>a//b&amp;c</Key></Object></Delete>"
for given in [
    ("/bucket/a/b", "", ""), ("/bucket", "prefix=a/b&list-type=2", ""), ("/bucket/x", "", "/bucket/a%20b?versionId=1"),
    ("/bucket", "delete", "", b"<Delete><Object><Key>a/b</Key></Object></Delete>"),
    ("/bucket//a", "", ""), ("/bucket/a", "", "bucket/a%2F%2Fb"), ("/bucket/a", "", "/bucket/a%5Cb"),
    ("/bucket", "prefix=a%2F%2Fb", ""), ("/bucket", "delete", "", delete),
]:
    print(json.dumps((refusal(*given) or b"").decode()))
"""
    answers = run(tmp_path, code)
    assert answers[:4] == [""] * 4
    assert all(answer.startswith("<Error><Code>InvalidArgument</Code><Message>Key ") for answer in answers[4:])
    assert "a//b&amp;c" in answers[-1]


def test_the_keys_to_delete_are_those_that_the_body_means_however_it_spells_them(tmp_path):
    code = """
import json, sys
from hpc.local.hooks.storage import refusal
for body in json.loads(sys.stdin.read()):
    print(json.dumps((refusal("/bucket", "delete", "", body.encode()) or b"").decode()))
"""
    start, end = "<Delete><Object>", "</Object></Delete>"
    bodies = {
        '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a/b</Key>' + end: "",
        f"{start}<Key>a/b</Key><VersionId>1</VersionId>{end}": "",
        "<Delete><Quiet>true</Quiet></Delete>": "",
        f"{start}<Key>a/&#47;b</Key>{end}": "InvalidArgument",
        f"{start}<Key><![CDATA[a//b]]></Key>{end}": "InvalidArgument",
        f"{start}<Key >a//b</Key >{end}": "InvalidArgument",
        f"{start}<Key>a/<!-- -->/b</Key>{end}": "InvalidArgument",
        '<s:Delete xmlns:s="s3"><s:Object><s:Key>a//b</s:Key></s:Object></s:Delete>': "InvalidArgument",
        f"{start}<Key>a/<i/>b</Key>{end}": "MalformedXML",
        f"{start}<Key>a/b</Key><Key>other</Key>{end}": "MalformedXML",
        f"{start}{end}": "MalformedXML",
        f"{start}<Key>a/b{end}": "MalformedXML",
        f'<!DOCTYPE d [<!ENTITY e "//">]>{start}<Key>a&e;b</Key>{end}': "MalformedXML",
    }
    answers = run(tmp_path, code, given=json.dumps(list(bodies)))
    codes = [answer.partition("<Code>")[2].partition("</Code>")[0] for answer in answers]
    assert dict(zip(bodies, codes, strict=True)) == bodies
