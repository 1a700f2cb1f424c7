"""Check_Output's rules for a branch whose merge is done: what was lost or changed after its record."""

import pytest

REPEAT_2 = "result/Project1/String_Repeat/repeat_lines.txt_00002"
REVERSE_2 = "result/Project1/String_Reverse/reverse_lines.txt_00002"
MERGED = "result/Project1/String_Repeat_Merge/repeat_lines.txt_merge"
RECORDS = "s3://data-bucket/result/Project1/records/20260102-030405-abc123"
SUBMIT_AGAIN = "; its record counts it as done, so no try makes it again: submit the run again"


def reasons(verdict):
    return [finding.reason for finding in verdict.findings]


class TestFinishedBranch:
    @pytest.mark.parametrize(
        ("key", "data", "found"),
        [
            (REPEAT_2, None, "is missing, expected 15 bytes"),
            (REPEAT_2, b"", "has 0 bytes, expected 15 bytes"),
            (REVERSE_2, b"x" * 5000, "has 5,000 bytes, expected 9 bytes"),
            (MERGED, None, "is missing, expected 52 bytes"),
            (MERGED, b"x", "has 1 byte, expected 52 bytes"),
        ],
    )
    def test_given_an_output_gone_or_changed_after_its_record_when_judged_then_only_a_new_run_helps(
        self, judge, make_run, key, data, found
    ):
        run = make_run()
        run.remove(key)
        run.objects |= {} if data is None else {key: data}

        verdict = judge(run)

        assert reasons(verdict) == [f"s3://data-bucket/{key} {found}{SUBMIT_AGAIN}"]
        assert verdict.permanent

    def test_given_an_output_gone_with_its_record_when_judged_then_another_try_makes_both_again(self, judge, make_run):
        run = make_run()
        for key in (REPEAT_2, MERGED, run.record_key("String_Repeat/lines.txt_00002.json")):
            run.remove(key)

        verdict = judge(run)

        assert reasons(verdict) == [
            f"s3://data-bucket/{REPEAT_2} is missing, expected 15 bytes",
            f"s3://data-bucket/{MERGED} is missing, expected 52 bytes",
        ]
        assert not verdict.permanent

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (
                lambda r: r["shards"][2].update(bytes=4, lines=3, terminator_bytes=0),
                f"s3://data-bucket/{REPEAT_2} does not fit its shard, says String_Repeat_Merge.json: "
                "bytes: found 4, expected 15; lines: found 3, expected 2; terminator bytes: found 0, expected 3",
            ),
            (
                lambda r: r["shards"][2].update(source_sha256="0" * 64),
                f"s3://data-bucket/{REPEAT_2} was made from another text than lines.txt_00002 holds: "
                f"found source_sha256 {'0' * 64}, expected ",
            ),
            (
                lambda r: r["shards"][2].update(index=3),
                f"{RECORDS}/String_Repeat_Merge.json: found '{REPEAT_2}' of shard 'lines.txt_00002', index 3, "
                f"expected '{REPEAT_2}' of shard 'lines.txt_00002', index 2",
            ),
            (
                lambda r: r["shards"][2].update(key="result/Project2/x"),
                f"{RECORDS}/String_Repeat_Merge.json: found 'result/Project2/x' of shard 'lines.txt_00002', index 2, "
                f"expected '{REPEAT_2}' of shard",
            ),
            (lambda r: r["shards"].pop(), f"{RECORDS}/String_Repeat_Merge.json: found 3 shards, expected 4"),
            (
                lambda r: r["shards"].append(r["shards"][0]),
                f"{RECORDS}/String_Repeat_Merge.json: found 5 shards, expected 4",
            ),
            (
                lambda r: r["merged"].update(key="x"),
                f"{RECORDS}/String_Repeat_Merge.json: found the merged key 'x', expected '{MERGED}'",
            ),
            (
                lambda r: r["merged"].update(lines=6),
                f"s3://data-bucket/{MERGED} is not the sum of its shards: lines: found 6, expected 7",
            ),
            (
                lambda r: r.update(merged=None),
                f"{RECORDS}/String_Repeat_Merge.json: field merged: found None, expected an object",
            ),
            (
                lambda r: r.update(run_id=1),
                f"{RECORDS}/String_Repeat_Merge.json: field run_id: found 1, expected text",
            ),
        ],
    )
    def test_given_a_merge_record_that_contradicts_when_judged_then_it_failed_for_good(
        self, judge, make_run, change, reason
    ):
        run = make_run()
        run.edit_record("String_Repeat_Merge.json", change)

        verdict = judge(run)

        assert reasons(verdict)[0].startswith(reason)
        assert (verdict.status, verdict.permanent) == ("FAILED", True)

    def test_given_shards_in_wrong_order_when_judged_then_it_failed(self, judge, make_run):
        run = make_run([b"ab\n"] * 4)
        run.edit_record("String_Reverse_Merge.json", lambda node: node["shards"].reverse())

        assert len(judge(run).findings) == 2

    @pytest.mark.parametrize("text", [b"", b"not JSON", b"\xff", b"{}", b'{"run_id": 1e999}'])
    def test_given_an_unreadable_merge_record_when_judged_then_never_a_success(self, judge, make_run, text):
        run = make_run()
        run.objects[run.record_key("String_Reverse_Merge.json")] = text

        verdict = judge(run)

        assert reasons(verdict)[0].startswith(f"{RECORDS}/String_Reverse_Merge.json: f")
        assert (len(verdict.findings), verdict.permanent) == (1, True)
