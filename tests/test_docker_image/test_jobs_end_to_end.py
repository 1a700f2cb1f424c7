"""The four jobs one after the other, as processes under their own roles, against a real S3 API."""

from __future__ import annotations

import hashlib
import re
import time
from dataclasses import replace
from typing import Any

import pytest

LINES = [
    b"plain ASCII\n",
    b"\n",
    b"CRLF line\r\n",
    "äöü € 🧬\n".encode(),
    b"not UTF-8: \xff\xfe \xe2\x82\r\n",
    b"NUL \0 inside\n",
    b"lone \r inside\n",
    b"last one without an end",
]
REPEATED = [
    b"plain ASCIIplain ASCII\n",
    b"\n",
    b"CRLF lineCRLF line\r\n",
    "äöü € 🧬äöü € 🧬\n".encode(),
    b"not UTF-8: \xff\xfe \xe2\x82not UTF-8: \xff\xfe \xe2\x82\r\n",
    b"NUL \0 insideNUL \0 inside\n",
    b"lone \r insidelone \r inside\n",
    b"last one without an endlast one without an end",
]
REVERSED = [
    b"IICSA nialp\n",
    b"\n",
    b"enil FLRC\r\n",
    "🧬 € üöä\n".encode(),
    b"\x82\xe2 \xfe\xff :8-FTU ton\r\n",
    b"edisni \0 LUN\n",
    b"edisni \r enol\n",
    b"dne na tuohtiw eno tsal",
]
INTERMEDIATE = {"retention": "intermediate"}
COMMON = {"run_id", "state", "job_id", "attempt", "image", "started_at", "stopped_at"}


def measure(text: bytes) -> dict[str, Any]:
    ends = text.count(b"\n")
    return {
        "bytes": len(text),
        "lines": ends + (text[-1:] not in (b"", b"\n")),
        "terminator_bytes": ends + text.count(b"\r\n"),
        "sha256": hashlib.sha256(text).hexdigest(),
    }


def without_common(record: dict[str, Any], state: str, job: str) -> dict[str, Any]:
    """The fields of one kind of record, after the fields that all kinds have were checked."""
    assert set(record) >= COMMON
    assert record["state"] == state
    assert record["job_id"] == f"job-{job}"
    assert record["attempt"] == 1
    assert record["image"] == f"registry.example/{job}@sha256:0"
    for name in ("started_at", "stopped_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record[name])
    assert record["started_at"] <= record["stopped_at"]
    return {name: value for name, value in record.items() if name not in COMMON}


def test_a_file_of_all_kinds_of_lines_goes_through(run) -> None:
    text = b"".join(LINES)
    run.stage.put(run.input_key, text)

    assert run.split(3) == ""
    names = [f"lines.txt_0000{n}" for n in range(3)]
    shards = [b"".join(LINES[n : n + 3]) for n in (0, 3, 6)]
    for name, shard in zip(names, shards, strict=True):
        assert run.stage.get(run.key("String_Split", name)) == shard
        assert run.stage.tags(run.key("String_Split", name)) == INTERMEDIATE
    listed = "".join(run.key("String_Split", name) + "\n" for name in names).encode()
    assert run.stage.get(run.key("String_Split", "lines.txt_splitlist")) == listed
    assert run.stage.tags(run.key("String_Split", "lines.txt_splitlist")) == INTERMEDIATE
    head = run.stage.client.head_object(Bucket="hpc-jobs-data", Key=run.input_key)
    source = {"bucket": "hpc-jobs-data", "key": run.input_key, "etag": head["ETag"].strip('"')}
    assert without_common(run.record("String_Split.json"), "String_Split", "string_split") == {
        "input": source | measure(text),
        "split_num": 3,
        "shards": [{"name": name} | measure(shard) for name, shard in zip(names, shards, strict=True)],
    }
    assert run.stage.tags(run.record_key("String_Split.json")) == {}

    for kind, lines in (("repeat", REPEATED), ("reverse", REVERSED)):
        state = f"String_{kind.capitalize()}"
        consolidated = []
        for index, name in enumerate(names):
            assert run.shard(kind, index) == ""
            key = run.key(state, f"{kind}_{name}")
            output = b"".join(lines[index * 3 : index * 3 + 3])
            assert run.stage.get(key) == output
            assert run.stage.tags(key) == INTERMEDIATE
            fields = {"index": index, "shard": name, "key": key} | measure(output)
            fields["source_sha256"] = hashlib.sha256(shards[index]).hexdigest()
            fields["etag"] = run.stage.etag(key)
            record = run.record(f"{state}/{name}.json")
            assert without_common(record, state, f"string_{kind}") == fields
            assert run.stage.tags(run.record_key(f"{state}/{name}.json")) == INTERMEDIATE
            consolidated.append(fields)
        assert run.merge(kind) == ""
        merged = b"".join(lines)
        assert run.merged(kind) == merged
        merged_key = run.key(f"{state}_Merge", f"{kind}_lines.txt_merge")
        assert run.stage.tags(merged_key) == {}
        assert without_common(run.record(f"{state}_Merge.json"), f"{state}_Merge", "string_merge") == {
            "merged": {"key": merged_key} | measure(merged) | {"etag": run.stage.etag(merged_key)},
            "shards": consolidated,
        }
        assert run.stage.tags(run.record_key(f"{state}_Merge.json")) == {}


def test_lines_that_begin_or_end_with_cr_go_through(run) -> None:
    run.stage.put(run.input_key, b"\rab\ncd\n\r\n\r\r\nx\r")
    run.split(2)
    for kind, expected in (
        ("repeat", b"\rab\rab\ncdcd\n\r\n\r\r\r\nx\rx\r"),
        ("reverse", b"ba\r\ndc\n\r\n\r\r\n\rx"),
    ):
        for index in range(3):
            run.shard(kind, index)
        run.merge(kind)
        assert run.merged(kind) == expected
        merged = run.record(f"String_{kind.capitalize()}_Merge.json")["merged"]
        assert {name: merged[name] for name in measure(expected)} == measure(expected)


def test_doing_a_job_twice_gives_the_same_objects(run) -> None:
    run.stage.put(run.input_key, b"".join(LINES))

    def objects() -> dict[str, bytes]:
        run.split(4)
        for index in range(2):
            run.shard("reverse", index)
        run.merge("reverse")
        keys = run.stage.listing(f"result/{run.project}/")
        return {key: run.stage.get(key) for key in keys if "/records/" not in key}

    assert objects() == objects()


def test_an_empty_file_has_no_shards_and_two_empty_results(run) -> None:
    run.stage.put(run.input_key, b"")
    run.split(10_000)
    assert run.stage.listing(f"result/{run.project}/String_Split/") == [run.key("String_Split", "lines.txt_splitlist")]
    assert run.stage.get(run.key("String_Split", "lines.txt_splitlist")) == b""
    record = run.record("String_Split.json")
    assert record["shards"] == []
    assert {name: record["input"][name] for name in measure(b"")} == measure(b"")
    for kind in ("repeat", "reverse"):
        run.merge(kind)
        assert run.merged(kind) == b""
        merge = run.record(f"String_{kind.capitalize()}_Merge.json")
        assert merge["shards"] == []
        assert {name: merge["merged"][name] for name in measure(b"")} == measure(b"")


def test_a_large_shard_is_one_completed_multipart_upload(run) -> None:
    line = b"0123456789" * 11 + b"\n"
    text = line * 200_000
    run.stage.put(run.input_key, text)
    run.split(1_000_000_000)
    shard = run.key("String_Split", "lines.txt_00000")
    assert run.stage.get(shard) == text
    assert run.stage.client.head_object(Bucket="hpc-jobs-data", Key=shard)["ETag"].endswith('-2"')

    run.shard("repeat", 0)
    run.merge("repeat")
    expected = (line[:-1] + line) * 200_000
    assert run.merged("repeat") == expected
    output = run.key("String_Repeat", "repeat_lines.txt_00000")
    record = run.record("String_Repeat/lines.txt_00000.json")
    assert record["etag"] == run.stage.etag(output)
    assert record["etag"].endswith("-3")
    merged = run.record("String_Repeat_Merge.json")["merged"]
    assert {name: merged[name] for name in measure(expected)} == measure(expected) | {"sha256": None}  # S3 copied it
    assert run.stage.unfinished_uploads() == []


def test_a_line_of_64_mib_is_processed(run) -> None:
    line = "€".encode() * (64 * 1024 * 1024 // 3) + b"\n"
    assert len(line) == 64 * 1024 * 1024
    run.stage.put(run.input_key, b"first\n" + line + b"last\n")
    run.split(1000)
    run.shard("reverse", 0)
    assert run.stage.get(run.key("String_Reverse", "reverse_lines.txt_00000")) == b"tsrif\n" + line + b"tsal\n"


def test_shards_that_could_be_more_than_100000_have_names_of_six_digits(run) -> None:
    run = replace(run, digits=6)
    run.stage.put(run.input_key, b"a" * 99_998 + b"\n" + b"bc\n")
    run.split(1)
    names = [shard["name"] for shard in run.record("String_Split.json")["shards"]]
    assert names == ["lines.txt_000000", "lines.txt_000001"] == [run.shard_name(0), run.shard_name(1)]
    run.shard("reverse", 0)
    group = {"SHARD_LIST_KEY": run.key("Job_Map", "list"), "GROUP_OFFSET": "0", "SHARD_DIGITS": "6"}
    child = {"AWS_BATCH_JOB_ARRAY_INDEX": "1", "INPUT_KEY": run.input_key}
    run.stage.put(group["SHARD_LIST_KEY"], b"000000\n000001\n")
    run.stage.run("string_reverse", STATE="String_Reverse", PROJECT_NO=run.project, **group, **child)
    run.merge("reverse")
    assert run.merged("reverse") == b"a" * 99_998 + b"\ncb\n"


def test_the_children_of_an_array_job_do_their_shards(run) -> None:
    """The second group of a list: three shards, of which the first was done before and is not in the list."""
    run.stage.put(run.input_key, b"ab\ncd\nef\ngh\n")
    run.split(1)
    run.shard("reverse", 0)
    group = {
        "SHARD_LIST_KEY": run.key("Job_Map", "list"),
        "GROUP_OFFSET": "1",
        "SHARD_DIGITS": "5",
        "INPUT_KEY": run.input_key,
        "STATE": "String_Reverse",
        "PROJECT_NO": run.project,
    }
    run.stage.put(group["SHARD_LIST_KEY"], b"00001\n00002\n00003\n")
    of_all = {**group, "SHARD_LIST_KEY": run.key("Job_Map", "try_1.all"), "GROUP_OFFSET": "0"}
    run.stage.run("string_reverse", **of_all, AWS_BATCH_JOB_ARRAY_INDEX="2", AWS_BATCH_JOB_ID="of_all:2")
    assert run.record("String_Reverse/lines.txt_00002.json")["job_id"] == "of_all:2"
    for job, child, offset in (("first", 0, 0), ("second", 0, 1), ("second", 1, 1)):
        variables = {"AWS_BATCH_JOB_ARRAY_INDEX": str(child), "AWS_BATCH_JOB_ID": f"{job}:{child}"}
        run.stage.run("string_reverse", **group | variables | {"GROUP_OFFSET": str(offset)})
    record = run.record("String_Reverse/lines.txt_00003.json")
    assert (record["index"], record["shard"], record["job_id"]) == (3, "lines.txt_00003", "second:1")
    run.merge("reverse")
    assert run.merged("reverse") == b"ba\ndc\nfe\nhg\n"

    beyond = run.stage.run("string_reverse", code=2, **group, AWS_BATCH_JOB_ARRAY_INDEX="2")
    assert beyond.startswith(f"list of shards s3://hpc-jobs-data/{group['SHARD_LIST_KEY']}: found ")
    keys = run.stage.listing(run.record_key(""))
    assert [key for key in keys if key.endswith(".failed.json")] == []


def test_a_name_with_blanks_and_other_letters_is_kept(run, stage) -> None:
    named = type(run)(stage, project=run.project, file="Proben 'ä' (1).txt")
    stage.put(named.input_key, b"abc\ndef\n")
    named.split(1)
    listed = stage.get(named.key("String_Split", "Proben 'ä' (1).txt_splitlist")).decode()
    assert listed.splitlines() == [named.key("String_Split", f"Proben 'ä' (1).txt_0000{n}") for n in (0, 1)]
    for index in range(2):
        named.shard("repeat", index)
    named.merge("repeat")
    assert named.merged("repeat") == b"abcabc\ndefdef\n"


@pytest.mark.parametrize("shards", [60])
def test_many_shards_merge_in_input_order(run, shards: int) -> None:
    """Outputs and records as the jobs leave them, without running one process a shard."""
    texts = [f"line {n}\n".encode() * (n % 3 + 1) for n in range(shards)]
    run.leave_outputs("reverse", texts)
    began = time.monotonic()
    run.merge("reverse")
    assert run.merged("reverse") == b"".join(texts)
    assert time.monotonic() - began < 20
