"""Check_Output's rules: which reasons a run's objects give, and whether another try can help."""

import pytest

SHARD_2 = "result/Project1/String_Split/lines.txt_00002"
SPLIT_LIST = "result/Project1/String_Split/lines.txt_splitlist"
MERGED = "result/Project1/String_Repeat_Merge/repeat_lines.txt_merge"
RECORDS = "s3://data-bucket/result/Project1/records/20260102-030405-abc123"
SUBMIT_AGAIN = "; its record counts it as done, so no try makes it again: submit the run again"


def reasons(verdict):
    return [finding.reason for finding in verdict.findings]


@pytest.mark.parametrize("lines", [None, [], [b"\n"], [b"one line, no end"], [b"a\r\n"] * 6], ids=str)
def test_given_a_complete_run_when_judged_then_it_succeeded(judge, make_run, lines):
    verdict = judge(make_run(lines))

    assert (verdict.status, verdict.permanent, verdict.findings) == ("SUCCEEDED", False, ())


def test_given_lines_that_begin_or_end_with_cr_when_judged_then_the_run_succeeded(judge, make_run):
    run = make_run([b"\rab\n", b"cd\n", b"\r\n", b"\r\r\n", b"x\r"])

    verdict = judge(run)

    assert run.objects["result/Project1/String_Reverse_Merge/reverse_lines.txt_merge"].startswith(b"ba\r\ndc\n")
    assert (verdict.status, verdict.findings) == ("SUCCEEDED", ())


@pytest.mark.parametrize(
    ("state", "found", "expected"),
    [("String_Repeat", 2, 3), ("String_Repeat", 4, 3), ("String_Reverse", 2, 3), ("String_Reverse", 5, 4)],
)
def test_given_terminators_that_no_output_can_have_when_judged_then_it_failed(judge, make_run, state, found, expected):
    run = make_run()
    run.edit_record(f"{state}_Merge.json", lambda record: record["shards"][2].update(terminator_bytes=found))

    assert reasons(judge(run))[0].endswith(
        f"does not fit its shard, says {state}_Merge.json: terminator bytes: found {found}, expected {expected}"
    )


def test_given_an_empty_input_when_judged_then_two_empty_merges_are_the_success(judge, make_run):
    verdict = judge(make_run([]))

    assert verdict.status == "SUCCEEDED"
    assert [(key, size.bytes) for key, size in verdict.merged.items()] == [
        (MERGED, 0),
        ("result/Project1/String_Reverse_Merge/reverse_lines.txt_merge", 0),
    ]


def test_given_an_empty_input_without_merges_when_judged_then_it_failed(judge, make_run):
    run = make_run([])
    run.unfinish_merge("String_Repeat")

    verdict = judge(run)

    assert reasons(verdict) == [
        "String_Repeat_Merge failed: no record: the job did not finish (its log tells why)",
    ]
    assert not verdict.permanent


def test_given_objects_of_earlier_runs_when_judged_then_they_are_no_findings(judge, make_run):
    run = make_run()
    for number in ("00004", "00017", "12345"):
        run.objects[f"result/Project1/String_Split/lines.txt_{number}"] = b"old"
        run.objects[f"result/Project1/String_Repeat/repeat_lines.txt_{number}"] = b"old"
        run.objects[run.record_key(f"String_Repeat/lines.txt_{number}.failed.json")] = b"old"
    run.objects[f"{MERGED}.old"] = b"old"
    run.objects["result/Project1/String_Split/lines.txt_old_splitlist"] = b"old"

    assert judge(run).status == "SUCCEEDED"


def test_given_old_failure_records_beside_records_when_judged_then_the_records_win(judge, make_run):
    run = make_run()
    run.write_record("String_Split.failed.json", exit_code=1, permanent=False, reason="old")
    run.write_record("String_Repeat_Merge.failed.json", exit_code=2, permanent=True, reason="old")
    run.write_record("String_Repeat/lines.txt_00001.failed.json", exit_code=2, permanent=True, reason="old")

    assert judge(run).status == "SUCCEEDED"


class TestSplit:
    def test_given_a_failed_split_when_judged_then_its_reason_is_the_only_one_and_permanent(self, judge, make_run):
        run = make_run()
        run.fail_split("s3://in/uploads/lines.txt: found no such object, expected the input file")

        verdict = judge(run, attempt=0)

        assert reasons(verdict) == [
            "String_Split failed: s3://in/uploads/lines.txt: found no such object, expected the input file"
        ]
        assert verdict.permanent

    @pytest.mark.parametrize("permanent", [True, False])
    def test_given_any_split_without_record_when_judged_then_permanent_since_no_try_repeats_it(
        self, judge, make_run, permanent
    ):
        run = make_run()
        run.fail_split("S3 did not answer")
        run.edit_record("String_Split.failed.json", lambda node: node.update(permanent=permanent))

        assert judge(run, attempt=0).permanent

    def test_given_nothing_at_all_when_judged_then_the_split_did_not_finish(self, judge, make_run):
        run = make_run()
        run.objects.clear()

        verdict = judge(run, attempt=0)

        assert reasons(verdict) == ["String_Split failed: no record: the job did not finish (its log tells why)"]
        assert verdict.permanent

    @pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"[" * 100_000])
    def test_given_an_unreadable_split_failure_when_judged_then_it_failed_all_the_same(self, judge, make_run, text):
        run = make_run()
        run.fail_split("x")
        run.objects[run.record_key("String_Split.failed.json")] = text

        verdict = judge(run, attempt=0)

        assert reasons(verdict)[0].startswith(
            f"String_Split failed: {RECORDS}/String_Split.failed.json cannot tell why: "
        )
        assert (len(verdict.findings), verdict.permanent) == (1, True)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda r: r.update(run_id="other"), "field run_id: found 'other', expected '20260102-030405-abc123'"),
            (lambda r: r.pop("input"), "field input: found None, expected an object"),
            (lambda r: r["input"].update(bytes="5"), "field bytes: found '5', expected a whole number"),
            (lambda r: r["input"].update(lines=True), "field lines: found True, expected a whole number"),
            (
                lambda r: r["input"].update(key="uploads/x"),
                "field input: found the key 'uploads/x', expected 'uploads/Project1/lines.txt'",
            ),
            (lambda r: r.update(shards={}), "field shards: found {}, expected a list"),
            (lambda r: r["shards"].append(7), "field name: found None, expected text"),
            (
                lambda r: r["shards"][1].update(bytes=-1),
                "found Measure(bytes=-1, lines=2, terminator_bytes=3), expected no negative number",
            ),
            (
                lambda r: r["shards"][1].update(sha256="abc"),
                "field sha256: found 'abc', expected 64 hexadecimal digits",
            ),
            (
                lambda r: r["shards"].reverse(),
                "field shards: found 'lines.txt_00003' at 0, expected 'lines.txt_00000'",
            ),
        ],
    )
    def test_given_a_malformed_split_record_when_judged_then_the_reason_says_what_was_found(
        self, judge, make_run, change, reason
    ):
        run = make_run()
        run.edit_record("String_Split.json", change)

        verdict = judge(run)

        assert reasons(verdict) == [f"{RECORDS}/String_Split.json: {reason}"]
        assert verdict.permanent

    @pytest.mark.parametrize(
        ("key", "data", "found"),
        [
            (SHARD_2, None, "is missing, expected 9 bytes"),
            (SHARD_2, b"12345", "has 5 bytes, expected 9 bytes"),
            (SPLIT_LIST, None, "is missing, expected 180 bytes"),
            (SPLIT_LIST, b"", "has 0 bytes, expected 180 bytes"),
        ],
    )
    def test_given_a_shard_or_the_list_gone_or_changed_when_judged_then_the_reason_names_it(
        self, judge, make_run, key, data, found
    ):
        run = make_run()
        run.remove(key)
        run.objects |= {} if data is None else {key: data}

        verdict = judge(run)

        assert reasons(verdict) == [f"s3://data-bucket/{key} {found}{SUBMIT_AGAIN}"]
        assert verdict.permanent

    def test_given_shards_that_are_not_the_whole_input_when_judged_then_the_difference_is_named(self, judge, make_run):
        run = make_run()
        run.edit_record("String_Split.json", lambda node: node["input"].update(bytes=1026, lines=8, terminator_bytes=9))

        verdict = judge(run)

        assert reasons(verdict) == [
            "The 4 shards of uploads/Project1/lines.txt are not the whole input: "
            "bytes: found 30, expected 1,026; lines: found 7, expected 8; terminator bytes: found 8, expected 9"
        ]
        assert verdict.permanent


class TestMissingShards:
    def test_given_failed_shards_when_judged_then_each_is_named_with_its_reason(self, judge, make_run):
        run = make_run()
        run.fail_shards("String_Repeat", {1: ("S3 did not answer", False), 3: ("no space left", False)})

        verdict = judge(run)

        assert reasons(verdict) == [
            "String_Repeat of shard lines.txt_00001 failed: S3 did not answer",
            "String_Repeat of shard lines.txt_00003 failed: no space left",
        ]
        assert not verdict.permanent

    @pytest.mark.parametrize(
        ("repeat", "reverse", "permanent"),
        [
            ({0: ("bad", True)}, {}, True),
            ({0: ("bad", True), 1: ("bad", True)}, {2: ("bad", True)}, True),
            ({0: ("bad", True), 1: ("late", False)}, {}, False),
            ({0: ("bad", True)}, {2: ("late", False)}, False),
            ({0: ("late", False)}, {}, False),
        ],
    )
    def test_given_missing_shards_when_judged_then_permanent_only_if_all_are(
        self, judge, make_run, repeat, reverse, permanent
    ):
        run = make_run()
        for state, failures in (("String_Repeat", repeat), ("String_Reverse", reverse)):
            if failures:
                run.fail_shards(state, failures)

        verdict = judge(run)

        assert (len(verdict.findings), verdict.permanent) == (len(repeat) + len(reverse), permanent)

    def test_given_a_killed_merge_when_judged_then_the_listing_tells_the_missing_shards(self, judge, make_run):
        run = make_run()
        run.fail_shards("String_Repeat", {1: ("no space left", True)})
        run.remove(run.record_key("String_Repeat_Merge.failed.json"))
        run.remove(run.record_key("String_Repeat/lines.txt_00002.json"))

        verdict = judge(run)

        assert reasons(verdict) == [
            "String_Repeat_Merge failed: no record: the job did not finish (its log tells why)",
            "String_Repeat of shard lines.txt_00001 failed: "
            f"{RECORDS}/String_Repeat/lines.txt_00001.failed.json tells why",
            "String_Repeat of shard lines.txt_00002 failed: no record: the job did not finish (its log tells why)",
        ]
        assert not verdict.permanent

    def test_given_an_earlier_tries_failure_when_judged_then_shards_done_since_are_not_named(self, judge, make_run):
        run = make_run()
        done = run.objects[run.record_key("String_Repeat/lines.txt_00001.json")]
        run.fail_shards("String_Repeat", {1: ("late", False), 3: ("late", False)})
        run.objects[run.record_key("String_Repeat/lines.txt_00001.json")] = done

        assert reasons(judge(run)) == ["String_Repeat of shard lines.txt_00003 failed: late"]

    def test_given_a_failure_whose_shards_are_all_done_when_judged_then_the_merge_is_worth_another_try(
        self, judge, make_run
    ):
        run = make_run()
        shard = {"index": 1, "shard": "lines.txt_00001", "reason": "bad", "permanent": True}
        run.fail_merge("String_Repeat", "1 of 4 shards missing", missing=[shard])

        verdict = judge(run)

        assert reasons(verdict) == ["String_Repeat_Merge failed: 1 of 4 shards missing"]
        assert not verdict.permanent

    @pytest.mark.parametrize("permanent", [True, False])
    def test_given_a_merge_that_failed_itself_when_judged_then_its_record_decides(self, judge, make_run, permanent):
        run = make_run()
        run.fail_merge("String_Reverse", "s3://b/k: found 5 bytes, expected 6", permanent=permanent)

        verdict = judge(run)

        assert reasons(verdict) == ["String_Reverse_Merge failed: s3://b/k: found 5 bytes, expected 6"]
        assert verdict.permanent is permanent

    @pytest.mark.parametrize("text", [b"", b"{}", b'{"run_id":"20260102-030405-abc123","missing":[1]}', b"\xff"])
    def test_given_an_unreadable_failure_when_judged_then_it_failed_and_may_be_tried_again(self, judge, make_run, text):
        run = make_run()
        run.fail_shards("String_Repeat", {1: ("x", True)})
        run.objects[run.record_key("String_Repeat_Merge.failed.json")] = text

        verdict = judge(run)

        name = f"{RECORDS}/String_Repeat_Merge.failed.json"
        assert reasons(verdict)[0].startswith(f"String_Repeat_Merge failed: {name} cannot tell why: ")
        assert (len(verdict.findings), verdict.permanent) == (2, False)
