"""Each job and each function may do what its code does with objects, and nothing beside."""

import json

import pytest

from tests.policies import Policies
from tests.synthesis import Synthesized, synthesize

R = "20260101-120000-abcdef"
P = "result/Project1"
SPLIT, RECORDS = f"{P}/String_Split", f"{P}/records/{R}"

# role, action, key (for a listing: the prefix asked for), allowed
TABLE = [
    ("StringSplit", "GetObject", "uploads/Project1/lines.txt", True),
    ("StringSplit", "GetObject", "source/lines.txt", True),
    ("StringSplit", "GetObject", "ref_data/derep_all.fa", False),
    ("StringSplit", "GetObject", f"{SPLIT}/lines.txt_00000", False),
    ("StringSplit", "PutObject", f"{SPLIT}/lines.txt_00000", True),
    ("StringSplit", "PutObjectTagging", f"{SPLIT}/lines.txt_00000", True),
    ("StringSplit", "AbortMultipartUpload", f"{SPLIT}/lines.txt_00000", True),
    ("StringSplit", "DeleteObject", f"{SPLIT}/lines.txt_00000", True),
    ("StringSplit", "PutObject", f"{SPLIT}/lines.txt_splitlist", True),
    ("StringSplit", "PutObject", f"{RECORDS}/String_Split.json", True),
    ("StringSplit", "PutObject", f"{RECORDS}/String_Split.failed.json", True),
    ("StringSplit", "DeleteObject", f"{RECORDS}/String_Split.json", False),
    ("StringSplit", "PutObject", f"{RECORDS}/String_Repeat/lines.txt_00000.json", False),
    ("StringSplit", "PutObject", "uploads/Project1/lines.txt", False),
    ("StringSplit", "DeleteObject", "uploads/Project1/lines.txt", False),
    ("StringSplit", "ListBucket", "uploads/", False),
    ("StringRepeat", "GetObject", f"{SPLIT}/lines.txt_00000", True),
    ("StringRepeat", "GetObject", "uploads/Project1/lines.txt", False),
    ("StringRepeat", "GetObject", f"{P}/Job_Map/{R}/try_1_String_Repeat.shards", True),
    ("StringRepeat", "GetObject", f"{P}/Job_Map/{R}/resume_1/try_1_String_Repeat.shards", True),
    ("StringRepeat", "PutObject", f"{P}/Job_Map/{R}/try_1_String_Repeat.shards", False),
    ("StringRepeat", "PutObject", f"{P}/String_Repeat/repeat_lines.txt_00000", True),
    ("StringRepeat", "PutObjectTagging", f"{P}/String_Repeat/repeat_lines.txt_00000", True),
    ("StringRepeat", "PutObject", f"{RECORDS}/String_Repeat/lines.txt_00000.json", True),
    ("StringRepeat", "PutObject", f"{RECORDS}/String_Reverse/lines.txt_00000.json", False),
    ("StringRepeat", "PutObject", f"{P}/String_Reverse/reverse_lines.txt_00000", False),
    ("StringRepeat", "PutObject", f"{SPLIT}/lines.txt_00000", False),
    ("StringRepeat", "DeleteObject", f"{P}/String_Repeat/repeat_lines.txt_00000", False),
    ("StringReverse", "GetObject", f"{SPLIT}/lines.txt_00000", True),
    ("StringReverse", "GetObject", f"{P}/Job_Map/{R}/try_1_String_Reverse.shards", True),
    ("StringReverse", "PutObject", f"{P}/String_Reverse/reverse_lines.txt_00000", True),
    ("StringReverse", "PutObject", f"{RECORDS}/String_Reverse/lines.txt_00000.failed.json", True),
    ("StringReverse", "PutObject", f"{P}/String_Repeat/repeat_lines.txt_00000", False),
    ("StringMerge", "GetObject", f"{P}/Job_Map/{R}/try_1_String_Repeat.shards", False),
    ("StringMerge", "GetObject", f"{RECORDS}/String_Split.json", True),
    ("StringMerge", "GetObject", f"{RECORDS}/String_Repeat/lines.txt_00000.json", True),
    ("StringMerge", "ListBucket", f"{RECORDS}/String_Reverse/", True),
    ("StringMerge", "ListBucket", f"{RECORDS}/", False),
    ("StringMerge", "ListBucket", "", False),
    ("StringMerge", "GetObject", f"{P}/String_Reverse/reverse_lines.txt_00000", True),
    ("StringMerge", "PutObject", f"{P}/String_Repeat_Merge/repeat_lines.txt_merge", True),
    ("StringMerge", "AbortMultipartUpload", f"{P}/String_Reverse_Merge/reverse_lines.txt_merge", True),
    ("StringMerge", "PutObject", f"{RECORDS}/String_Repeat_Merge.json", True),
    ("StringMerge", "PutObject", f"{RECORDS}/String_Repeat_Merge.failed.json", True),
    ("StringMerge", "PutObjectTagging", f"{P}/String_Repeat_Merge/repeat_lines.txt_merge", False),
    ("StringMerge", "PutObject", f"{P}/String_Repeat/repeat_lines.txt_00000", False),
    ("StringMerge", "DeleteObject", f"{P}/String_Repeat/repeat_lines.txt_00000", False),
    ("JobMap", "GetObject", f"{RECORDS}/String_Split.json", False),
    ("JobMap", "GetObject", f"{SPLIT}/lines.txt_splitlist", True),
    ("JobMap", "ListBucket", f"{RECORDS}/String_Repeat/", True),
    ("JobMap", "ListBucket", f"{RECORDS}/String_Repeat/lines.txt_0", True),
    ("JobMap", "ListBucket", f"{RECORDS}/String_Split.json", True),
    ("JobMap", "ListBucket", f"{SPLIT}/", False),
    ("JobMap", "PutObject", f"{P}/Job_Map/{R}/resume_1/try_1_String_Repeat.shards", True),
    ("JobMap", "PutObject", f"{P}/Job_Map/{R}/try_1_String_Repeat.json", True),
    ("JobMap", "PutObjectTagging", f"{P}/Job_Map/{R}/try_1_String_Repeat.json", True),
    ("JobMap", "PutObject", f"{RECORDS}/String_Split.json", False),
    ("JobMap", "DeleteObject", f"{P}/Job_Map/{R}/try_1_String_Repeat.json", False),
    ("CheckOutput", "GetObject", f"{RECORDS}/String_Repeat_Merge.json", True),
    ("CheckOutput", "GetObject", f"{P}/String_Repeat_Merge/repeat_lines.txt_merge", False),
    ("CheckOutput", "ListBucket", f"{P}/String_Repeat_Merge/", True),
    ("CheckOutput", "ListBucket", f"{SPLIT}/", True),
    ("CheckOutput", "ListBucket", "result/", False),
    ("CheckOutput", "PutObject", f"{P}/Check_Output/{R}/try_1.json", True),
    ("CheckOutput", "PutObject", f"{P}/Job_Map/{R}/try_1_String_Repeat.json", False),
]


def role_of(assembly: Synthesized, part: str) -> str:
    names = assembly.resources("AWS::IAM::Role")
    return next(name for name in names if f"{part}Role" in name and "Execution" not in name)


def may(assembly: Synthesized, part: str, action: str, key: str, bucket: str | None = None) -> bool:
    policies = Policies(assembly.template)
    name = bucket or policies.arn(assembly.name_of("AWS::S3::Bucket", "DataBucket")).removeprefix("arn:aws:s3:::")
    role = role_of(assembly, part)
    if action == "ListBucket":
        return policies.allows(role, "s3:ListBucket", f"arn:aws:s3:::{name}", prefix=key)
    return policies.allows(role, f"s3:{action}", f"arn:aws:s3:::{name}/{key}")


@pytest.mark.parametrize(("part", "action", "key", "allowed"), TABLE)
def test_a_role_may_do_what_its_code_does_and_nothing_else(
    production: Synthesized, part: str, action: str, key: str, allowed: bool
) -> None:
    assert may(production, part, action, key) is allowed


@pytest.mark.parametrize(
    "part", ["StringSplit", "StringRepeat", "StringReverse", "StringMerge", "JobMap", "CheckOutput"]
)
def test_a_role_touches_no_other_bucket_and_nothing_but_objects_and_its_log(production: Synthesized, part: str) -> None:
    assert not may(production, part, "GetObject", "uploads/Project1/lines.txt", bucket="somebody-elses")
    actions = {
        action
        for each in Policies(production.template).statements(role_of(production, part))
        for action in each["Action"]
    }
    log = {"logs:CreateLogStream", "logs:PutLogEvents"} if part in ("JobMap", "CheckOutput") else set()
    rows = {"dynamodb:UpdateItem"} if part == "JobMap" else set()
    objects = {f"s3:{name}" for name in ("GetObject", "PutObject", "AbortMultipartUpload")}
    assert actions - {"s3:ListBucket", "s3:PutObjectTagging", "s3:DeleteObject"} <= objects | log | rows


def test_an_input_bucket_is_read_under_its_own_keys_and_an_output_bucket_written_where_both_agree() -> None:
    assembly = synthesize(inputBuckets="genomes:raw/*", outputBuckets="shared:result/P1/*")
    assert may(assembly, "StringSplit", "GetObject", "raw/lines.txt", bucket="genomes")
    assert not may(assembly, "StringSplit", "GetObject", "uploads/lines.txt", bucket="genomes")
    assert not may(assembly, "StringSplit", "PutObject", "raw/lines.txt", bucket="genomes")
    assert may(assembly, "StringSplit", "PutObject", "result/P1/String_Split/lines.txt_00000", bucket="shared")
    assert not may(assembly, "StringSplit", "PutObject", "result/P2/String_Split/lines.txt_00000", bucket="shared")
    assert may(assembly, "StringMerge", "ListBucket", f"result/P1/records/{R}/String_Repeat/", bucket="shared")
    assert not may(assembly, "StringMerge", "ListBucket", f"result/P2/records/{R}/String_Repeat/", bucket="shared")


def test_what_may_be_used_is_an_output_of_the_stack() -> None:
    assembly = synthesize(inputBuckets="genomes:raw/*", outputBuckets="shared:result/P1/*")
    outputs, policies = assembly.template["Outputs"], Policies(assembly.template)
    data = policies.resolve(outputs["S3BucketForAWSBatch"]["Value"])
    assert json.loads(policies.resolve(outputs["AllowedInputs"]["Value"])) == [
        {"bucket": data, "keys": ["uploads/*", "source/*"]},
        {"bucket": "genomes", "keys": ["raw/*"]},
    ]
    assert json.loads(policies.resolve(outputs["AllowedOutputs"]["Value"])) == [
        {"bucket": data, "keys": ["result/*"]},
        {"bucket": "shared", "keys": ["result/P1/*"]},
    ]
