"""Job_Map: what is to do, in which manifest, on which queue."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

REPEAT_MANIFEST = "result/Project1/Job_Map/20260102-030405-abc123/try_1_String_Repeat.json"
REVERSE_MANIFEST = "result/Project1/Job_Map/20260102-030405-abc123/try_1_String_Reverse.json"
SPLIT_LIST = "result/Project1/String_Split/lines.txt_splitlist"


def single(index, file="lines.txt"):
    """The Map's item of one shard."""
    return {"index": index, "shard": f"{file}_{index:05d}", "offset": 0, "size": 1}


def split_only(run):
    """The run's objects as they are before its first try."""
    return {
        key: data
        for key, data in run.objects.items()
        if "/String_Split/" in key or key.endswith("records/20260102-030405-abc123/String_Split.json")
    }


def test_given_a_fresh_split_when_mapped_then_every_shard_is_to_do(job_map, make_run, store):
    run = make_run()
    store.put(split_only(run))

    answer = job_map.handler(run.job_map_event(bucket=store.bucket), None)

    assert answer == {
        "attempt": 1,
        "queue": "arn:first",
        "branches": {
            "String_Repeat": {
                "shards_to_do": 4,
                "shards_total": 4,
                "merge_to_do": True,
                "manifest_key": REPEAT_MANIFEST,
                "shard_list_key": REPEAT_MANIFEST.replace(".json", ".all"),
                "shard_digits": 5,
            },
            "String_Reverse": {
                "shards_to_do": 4,
                "shards_total": 4,
                "merge_to_do": True,
                "manifest_key": REVERSE_MANIFEST,
                "shard_list_key": REVERSE_MANIFEST.replace(".json", ".all"),
                "shard_digits": 5,
            },
        },
    }
    items = [single(index) for index in range(4)]
    assert store.json(REPEAT_MANIFEST) == store.json(REVERSE_MANIFEST) == items


def test_given_a_manifest_then_it_expires_with_the_intermediates(job_map, make_run, store):
    run = make_run()
    store.put(run.objects)

    job_map.handler(run.job_map_event(bucket=store.bucket), None)

    tags = store.client.get_object_tagging(Bucket=store.bucket, Key=REPEAT_MANIFEST)["TagSet"]
    assert tags == [{"Key": "retention", "Value": "intermediate"}]


def test_given_a_second_try_when_mapped_then_only_what_has_no_record_runs_on_demand(job_map, make_run, store):
    run = make_run()
    run.fail_shards("String_Repeat", {1: ("no memory", False), 3: ("no memory", False)})
    run.unfinish_merge("String_Reverse")
    store.put(run.objects)

    answer = job_map.handler(run.job_map_event(bucket=store.bucket, attempt=1), None)

    assert (answer["attempt"], answer["queue"]) == (2, "arn:next")
    repeat, reverse = answer["branches"]["String_Repeat"], answer["branches"]["String_Reverse"]
    assert (repeat["shards_to_do"], repeat["shards_total"], repeat["merge_to_do"]) == (2, 4, True)
    assert (reverse["shards_to_do"], reverse["shards_total"], reverse["merge_to_do"]) == (0, 4, True)
    assert repeat["manifest_key"].endswith("/try_2_String_Repeat.json")
    assert store.json(repeat["manifest_key"]) == [
        single(1),
        single(3),
    ]
    assert store.json(reverse["manifest_key"]) == []


def test_given_everything_done_when_mapped_then_nothing_is_to_do(job_map, make_run, store):
    run = make_run()
    store.put(run.objects)

    branches = job_map.handler(run.job_map_event(bucket=store.bucket), None)["branches"]

    assert [(b["shards_to_do"], b["merge_to_do"]) for b in branches.values()] == [(0, False), (0, False)]


def test_given_a_merge_with_record_but_a_shard_without_when_mapped_then_the_merge_is_to_do_again(
    job_map, make_run, store
):
    run = make_run()
    run.remove(run.record_key("String_Reverse/lines.txt_00002.json"))
    store.put(run.objects)

    reverse = job_map.handler(run.job_map_event(bucket=store.bucket), None)["branches"]["String_Reverse"]

    assert (reverse["shards_to_do"], reverse["merge_to_do"]) == (1, True)


def test_given_an_empty_input_when_mapped_then_only_the_merges_are_to_do(job_map, make_run, store):
    run = make_run([])
    store.put(split_only(run))

    branches = job_map.handler(run.job_map_event(bucket=store.bucket), None)["branches"]

    assert [(b["shards_to_do"], b["shards_total"], b["merge_to_do"]) for b in branches.values()] == [(0, 0, True)] * 2
    assert store.json(REPEAT_MANIFEST) == []


def test_given_records_of_another_run_or_file_when_mapped_then_they_do_not_count(job_map, make_run, store):
    run = make_run()
    store.put(split_only(run))
    store.put(
        {
            "result/Project1/records/20250101-000000-ffffff/String_Repeat/lines.txt_00000.json": b"{}",
            "result/Project1/records/20260102-030405-abc123/String_Repeat/other.txt_00000.json": b"{}",
            "result/Project1/records/20260102-030405-abc123/String_Repeat/lines.txt_00001.failed.json": b"{}",
        }
    )

    repeat = job_map.handler(run.job_map_event(bucket=store.bucket), None)["branches"]["String_Repeat"]

    assert repeat["shards_to_do"] == 4


def test_given_doubled_calls_at_once_when_mapped_then_all_answer_and_write_the_same(job_map, make_run, store):
    run = make_run()
    run.fail_shards("String_Repeat", {2: ("no memory", False)})
    store.put(run.objects)

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: job_map.handler(run.job_map_event(bucket=store.bucket), None), range(4)))

    assert all(answer == answers[0] for answer in answers)
    assert store.json(REPEAT_MANIFEST) == [single(2)]


def test_given_more_records_than_a_page_holds_when_mapped_then_all_are_seen(job_map, make_run, store):
    run = make_run([b"x\n"] * 600, lines_per_shard=1)
    run.remove(run.record_key("String_Reverse/lines.txt_00550.json"))
    store.put({key: data for key, data in run.objects.items() if "/records/" in key or key == SPLIT_LIST})

    branches = job_map.handler(run.job_map_event(bucket=store.bucket), None)["branches"]

    assert branches["String_Repeat"]["shards_to_do"] == 0
    assert store.json(branches["String_Reverse"]["manifest_key"]) == [single(550)]


def test_given_10000_shards_with_long_names_when_mapped_then_quick_and_small(job_map, make_run, store):
    run = make_run([b"x\n"] * 10_000, lines_per_shard=1, file="\u00e9" * 200)
    store.put({key: data for key, data in split_only(run).items() if key.endswith(("_splitlist", ".json"))})

    started = time.monotonic()
    answer = job_map.handler(run.job_map_event(bucket=store.bucket, group_above=10_000), None)

    assert time.monotonic() - started < 30
    assert len(json.dumps(answer, ensure_ascii=False).encode()) < 4096
    items = store.json(answer["branches"]["String_Repeat"]["manifest_key"])
    assert len(items) == 10_000
    assert items[-1] == single(9999, "\u00e9" * 200)


@pytest.mark.parametrize(
    "file", ["a b+c&d.txt", "\u00e9\u65e5\u672c.txt", "x\u0085y\u2028z", "%41?#.txt", "_splitlist", "a.json"]
)
def test_given_an_odd_file_name_when_mapped_then_its_shards_are_found(job_map, make_run, store, file):
    run = make_run(file=file)
    run.remove(run.record_key(f"String_Repeat/{file}_00002.json"))
    store.put(run.objects)

    branches = job_map.handler(run.job_map_event(bucket=store.bucket), None)["branches"]

    assert store.json(branches["String_Repeat"]["manifest_key"]) == [single(2, file)]
    assert branches["String_Reverse"]["shards_to_do"] == 0


def test_given_no_list_of_shards_when_mapped_then_the_error_names_it(job_map, make_run, store):
    run = make_run()
    run.remove(SPLIT_LIST)
    store.put(run.objects)

    with pytest.raises(job_map.ShardListMissing) as caught:
        job_map.handler(run.job_map_event(bucket=store.bucket), None)

    assert str(caught.value) == (
        f"s3://{store.bucket}/{SPLIT_LIST}: found NoSuchKey, expected the list of shards that String_Split wrote; "
        "check that nobody deleted it, then resume the run: hpc resume 20260102-030405-abc123"
    )


def test_given_a_list_of_an_earlier_run_only_when_mapped_then_it_is_not_used(job_map, make_run, store):
    run = make_run()
    run.remove(run.record_key("String_Split.json"))
    store.put(run.objects)

    with pytest.raises(job_map.SplitRecordMissing) as caught:
        job_map.handler(run.job_map_event(bucket=store.bucket), None)

    assert str(caught.value) == (
        f"s3://{store.bucket}/{run.record_key('String_Split.json')}: found no record, "
        "expected the one that String_Split of run 20260102-030405-abc123 writes when its shards are complete"
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"result/Project1/String_Split/lines.txt_00000", "found a last line without a line end"),
        (b"result/Project1/String_Split/lines.txt_00001\n", "'result/Project1/String_Split/lines.txt_00001' in line 1"),
        (b"lines.txt_00000\n", "found 'lines.txt_00000' in line 1"),
        (b"result/Project1/String_Split/lines.txt_00000\n\n", "found '' in line 2"),
        (b"result/Project2/String_Split/lines.txt_00000\n", "Project2/String_Split/lines.txt_00000' in line 1"),
        (b"result/Project1/String_Split/lines.txt_00000\r\n", "lines.txt_00000\\r' in line 1"),
        (b"\xff\n", "found bytes that are not UTF-8"),
    ],
)
def test_given_a_malformed_list_when_mapped_then_the_error_says_what_was_found(job_map, make_run, store, text, found):
    run = make_run()
    run.objects[SPLIT_LIST] = text
    store.put(run.objects)

    with pytest.raises(job_map.ShardListMalformed) as caught:
        job_map.handler(run.job_map_event(bucket=store.bucket), None)

    assert str(caught.value).startswith(f"s3://{store.bucket}/{SPLIT_LIST}: ")
    assert found in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run_id": ""}, "field run_id: found '', expected text that is not empty"),
        ({"project": None}, "field project: found None, expected text that is not empty"),
        ({"bucket": 5}, "field bucket: found 5, expected text that is not empty"),
        ({"input_key": "uploads/"}, "field input_key: found 'uploads/', expected a key that does not end with '/'"),
        ({"attempt": "0"}, "field attempt: found '0', expected a whole number"),
        ({"attempt": True}, "field attempt: found True, expected a whole number"),
        ({"resumes": None}, "field resumes: found None, expected a whole number"),
        ({"resumes": -1}, "field resumes: found -1, expected 0 or more executions before this one"),
        ({"group_above": 0}, "field group_above: found 0, expected 1 or more shards"),
        ({"attempt": -1}, "field attempt: found -1, expected 0 or more tries so far"),
        ({"queues": {"first_try": "a"}}, "field next_tries: found None, expected text that is not empty"),
        ({"queues": []}, "field queues: found [], expected an object that is not empty"),
        ({"branches": {}}, "field branches: found {}, expected an object that is not empty"),
        ({"branches": {"String_Repeat": 1}}, "field String_Repeat: found 1, expected text that is not empty"),
    ],
)
def test_given_a_bad_event_when_mapped_then_the_error_says_found_and_expected(job_map, make_run, changes, message):
    with pytest.raises(job_map.EventError) as caught:
        job_map.handler(make_run().job_map_event(**changes), None)

    assert str(caught.value) == message


@pytest.mark.parametrize("event", [None, [], "text", {}])
def test_given_no_event_at_all_when_mapped_then_the_error_names_the_first_field(job_map, event):
    with pytest.raises(job_map.EventError, match="field queues: found None"):
        job_map.handler(event, None)
