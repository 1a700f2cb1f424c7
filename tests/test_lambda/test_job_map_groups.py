"""Job_Map above `group_above`: groups of shards, each one array job, and the list that tells a child its shard."""

import json
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

LIST = "result/Project1/Job_Map/20260102-030405-abc123/try_1_String_Repeat.shards"
SPLIT_LIST = "result/Project1/String_Split/lines.txt_splitlist"


@pytest.fixture(scope="session")
def plan(mapping):
    """The plan of a branch of so many shards of which these are done."""

    def make(run, count, *, done=(), digits=5, group_above=1000):
        event = mapping.map_event.JobMapEvent.parse(run.job_map_event(group_above=group_above))
        shards = mapping.shard_list.Shards("lines.txt", count, digits)
        marks = bytearray(count)
        for number in done:
            marks[number] = 1
        return mapping.branch_plan.plan_branch(event, shards, marks, merged=False)

    return make


def test_given_more_shards_than_that_when_mapped_then_they_are_one_group(job_map, make_run, store):
    run = make_run([b"x\n"] * 12, lines_per_shard=2)
    run.remove(run.record_key("String_Repeat/lines.txt_00001.json"))
    run.remove(run.record_key("String_Repeat/lines.txt_00004.json"))
    run.remove(run.record_key("String_Repeat/lines.txt_00005.json"))
    run.remove(run.record_key("String_Reverse/lines.txt_00003.json"))
    store.put(run.objects)

    branches = job_map.handler(run.job_map_event(bucket=store.bucket, group_above=1), None)["branches"]

    repeat = branches["String_Repeat"]
    assert (repeat["shards_to_do"], repeat["shard_list_key"], repeat["shard_digits"]) == (3, LIST, 5)
    assert store.json(repeat["manifest_key"]) == [{"index": 0, "shard": "", "offset": 0, "size": 3}]
    listed = store.client.get_object(Bucket=store.bucket, Key=LIST)["Body"].read()
    assert listed == b"00001\n00004\n00005\n"
    tags = store.client.get_object_tagging(Bucket=store.bucket, Key=LIST)["TagSet"]
    assert tags == [{"Key": "retention", "Value": "intermediate"}]
    single = {"index": 3, "shard": "lines.txt_00003", "offset": 0, "size": 1}
    assert store.json(branches["String_Reverse"]["manifest_key"]) == [single], "one shard is no array"
    keys = [entry["Key"] for entry in store.client.list_objects_v2(Bucket=store.bucket)["Contents"]]
    assert branches["String_Reverse"]["shard_list_key"] not in keys


def test_given_that_all_shards_are_to_do_when_mapped_then_no_list_is_written(job_map, make_run, store):
    run = make_run([b"x\n"] * 12, lines_per_shard=2)
    for index in range(6):
        run.remove(run.record_key(f"String_Repeat/lines.txt_{index:05d}.json"))
    store.put(run.objects)

    branch = job_map.handler(run.job_map_event(bucket=store.bucket, group_above=1), None)["branches"]["String_Repeat"]

    assert branch["shard_list_key"] == LIST.replace(".shards", ".all")
    assert store.json(branch["manifest_key"]) == [{"index": 0, "shard": "", "offset": 0, "size": 6}]
    keys = [entry["Key"] for entry in store.client.list_objects_v2(Bucket=store.bucket)["Contents"]]
    assert not any(key.endswith((".all", ".shards")) for key in keys)


def test_given_shards_with_six_digits_when_mapped_then_nothing_is_cut(job_map, make_run, store):
    run = make_run([b"x\n"] * 12, lines_per_shard=2, digits=6)
    for index in (0, 5):
        run.remove(run.record_key(f"String_Repeat/lines.txt_{index:06d}.json"))
    store.put(run.objects)

    for group_above, items in ((1, [("", 2)]), (1000, [("lines.txt_000000", 1), ("lines.txt_000005", 1)])):
        event = run.job_map_event(bucket=store.bucket, group_above=group_above)
        branch = job_map.handler(event, None)["branches"]["String_Repeat"]
        assert branch["shard_digits"] == 6
        assert [(item["shard"], item["size"]) for item in store.json(branch["manifest_key"])] == items
    assert store.client.get_object(Bucket=store.bucket, Key=LIST)["Body"].read() == b"000000\n000005\n"


def test_given_numbers_of_two_lengths_when_mapped_then_the_list_is_malformed(job_map, make_run, store):
    run = make_run()
    run.objects[SPLIT_LIST] = b"".join(
        f"result/Project1/String_Split/lines.txt_{number}\n".encode() for number in ("00000", "000001")
    )
    store.put(run.objects)

    with pytest.raises(
        job_map.ShardListMalformed, match=r"found 'result/.*_000001' in line 2, expected 'result/.*_00001'"
    ):
        job_map.handler(run.job_map_event(bucket=store.bucket), None)


def test_given_a_resumed_run_when_mapped_then_the_lists_of_the_execution_before_stay(job_map, make_run, store):
    run = make_run()
    store.put(run.objects)

    branch = job_map.handler(run.job_map_event(bucket=store.bucket, resumes=2, attempt=1), None)["branches"]

    assert branch["String_Repeat"]["manifest_key"] == (
        "result/Project1/Job_Map/20260102-030405-abc123/resume_2/try_2_String_Repeat.json"
    )


@given(count=st.integers(2, 50_000), group_above=st.integers(1, 60_000))
def test_given_any_number_of_shards_then_each_is_in_one_group_of_2_to_10000(plan, make_run, count, group_above):
    items = list(plan(make_run([]), count, group_above=group_above).items())

    if count <= group_above:
        assert [item["index"] for item in items] == list(range(count))
        return
    assert [item["index"] for item in items] == list(range(len(items)))
    assert all(2 <= item["size"] <= 10_000 for item in items)
    assert max(item["size"] for item in items) - min(item["size"] for item in items) <= 1
    ends = [item["offset"] + item["size"] for item in items]
    assert [item["offset"] for item in items] == [0, *ends[:-1]]
    assert ends[-1] == count


def test_given_a_million_shards_then_they_are_100_groups(job_map, mapping, plan, make_run):
    started = time.process_time()
    tracemalloc.start()
    branch = plan(make_run([]), 1_000_000, digits=6)
    text, manifest = branch.shard_lines(), job_map.manifest(branch)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    items = json.loads(manifest)
    assert (len(items), {item["size"] for item in items}) == (100, {10_000})
    assert len(text) == 7_000_000
    assert text[7 * 123_456 : 7 * 123_457] == b"123456\n"
    assert peak < 300e6
    assert time.process_time() - started < 60


def test_given_a_million_shards_then_their_records_are_listed_in_parts_that_miss_none(mapping, make_run):
    event = mapping.map_event.JobMapEvent.parse(make_run([]).job_map_event())
    for count, digits, parts in ((0, 5, 0), (1, 5, 1), (10_000, 5, 1), (10_001, 5, 2), (1_000_000, 6, 100)):
        shards = mapping.shard_list.Shards("lines.txt", count, digits)
        prefixes = mapping.branch_plan.record_prefixes(event, "String_Repeat", shards)
        assert len(prefixes) == parts
        for index in {0, count // 2, count - 1} if count else ():
            key = f"{event.records}String_Repeat/{shards.name(index)}.json"
            assert sum(key.startswith(prefix) for prefix in prefixes) == 1


def test_given_keys_that_are_no_records_of_shards_then_nothing_is_done(mapping, make_run):
    event = mapping.map_event.JobMapEvent.parse(make_run([]).job_map_event())
    shards, done = mapping.shard_list.Shards("lines.txt", 3, 5), bytearray(3)
    folder = f"{event.records}String_Repeat/"
    names = ["lines.txt_00001.failed.json", "lines.txt_00003.json", "other.txt_00001.json", "lines.txt_000001.json"]
    names += [
        "lines.txt_1.json",
        "lines.txt_0000\u0661.json",
        "lines.txt_00001",
        "lines.txt_-0001.json",
        "lines.txt_ 0001.json",
    ]

    mapping.branch_plan.mark_done(done, [folder + name for name in names], event, "String_Repeat", shards)
    assert done == bytearray(3)
    mapping.branch_plan.mark_done(done, [f"{folder}lines.txt_00001.json"], event, "String_Repeat", shards)
    assert done == bytearray([0, 1, 0])
