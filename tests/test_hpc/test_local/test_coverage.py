"""The coverage table, the docs and the templates agree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hpc.local.coverage import RESOURCE_TYPES, Coverage, not_run, template_types, uncovered

DOCS = Path(__file__).resolve().parents[3] / "docs" / "emulator-versus-aws.md"


def documented_table() -> str:
    rows = [f"| `{kind}` | {coverage} |" for kind, coverage in sorted(RESOURCE_TYPES.items())]
    return "\n".join(["| resource type | on the laptop |", "|---|---|", *rows])


def test_the_docs_have_the_table():
    between = re.search(r"<!-- coverage -->\n(.*)\n<!-- /coverage -->", DOCS.read_text(), re.DOTALL)
    assert between, "docs/emulator-versus-aws.md has lost its markers"
    assert between.group(1) == documented_table()


def test_every_type_of_the_templates_is_decided(production):
    stacks = (production, production.web)
    types = {resource["Type"] for stack in stacks for resource in stack.template["Resources"].values()}
    assert len(types) > 20
    assert uncovered(types) == []


def test_an_undecided_type_is_named(tmp_path):
    file = tmp_path / "template.json"
    file.write_text('{"Resources": {"A": {"Type": "AWS::New::Thing"}, "B": {"Type": "AWS::S3::Bucket"}}}')
    assert uncovered(template_types(file)) == ["AWS::New::Thing"]


@pytest.mark.parametrize(
    ("kind", "said"), [("AWS::EC2::VPC", True), ("AWS::S3::Bucket", False), ("AWS::CDK::Metadata", True)]
)
def test_what_does_not_run_is_said(kind, said):
    assert (kind in not_run([kind])) is said
    assert (RESOURCE_TYPES[kind] is Coverage.RUNS) is not said
