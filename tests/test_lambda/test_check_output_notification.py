"""Check_Output against a real S3: what it returns, what it mails, what it leaves in S3, and how large that gets."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

REASONS_KEY = "result/Project1/Check_Output/20260102-030405-abc123/try_1.json"


def answer_for(check, run, **changes):
    """The function's answer without S3, from the run's objects."""
    event = check.check_event.CheckEvent.parse(run.check_event(**changes))
    sizes = {key: len(data) for key, data in run.objects.items()}
    verdict = check.comparison.judge(event, check.comparison.Snapshot(sizes, run.objects))
    return check.notification.answer(event, verdict), check.notification.reasons_document(event, verdict)


def state_bytes(answer):
    return len(json.dumps(answer, ensure_ascii=False).encode())


def test_given_a_complete_run_when_checked_then_the_mail_says_what_was_made(check, make_run, store):
    run = make_run()
    store.put(run.objects)

    answer = check.check_output.handler(run.check_event(bucket=store.bucket), None)

    message = answer.pop("message")
    assert answer == {
        "OutputStatus": "SUCCEEDED",
        "permanent": False,
        "reason_count": 0,
        "reasons": [],
        "reasons_key": REASONS_KEY,
        "subject": "SUCCEEDED: string_processing of project Project1",
    }
    assert message == (
        "Run 20260102-030405-abc123 of string_processing, project Project1: SUCCEEDED at try 1 of 3.\n"
        "\n"
        "Made from uploads/Project1/lines.txt (30 bytes, 7 lines, 4 shards), and checked:\n"
        f"- s3://{store.bucket}/result/Project1/String_Repeat_Merge/repeat_lines.txt_merge (52 bytes, 7 lines)\n"
        f"- s3://{store.bucket}/result/Project1/String_Reverse_Merge/reverse_lines.txt_merge (30 bytes, 7 lines)\n"
        "\n"
        "Next: nothing, the run is complete. Fetch the results: hpc results 20260102-030405-abc123 -o DIR\n"
        "How it went: hpc show 20260102-030405-abc123"
    )
    assert store.json(REASONS_KEY) == {
        "run_id": "20260102-030405-abc123",
        "attempt": 1,
        "OutputStatus": "SUCCEEDED",
        "reasons": [],
    }


def test_given_failed_shards_when_checked_then_the_mail_says_why_and_what_happens_next(check, make_run, store):
    run = make_run()
    run.fail_shards("String_Repeat", {1: ("S3 did not answer", False)})
    run.fail_shards("String_Reverse", {3: ("line 7: found 70000000 bytes, expected at most 67108864", True)})
    store.put(run.objects)

    answer = check.check_output.handler(run.check_event(bucket=store.bucket), None)

    message = answer.pop("message")
    reasons = [
        "String_Repeat of shard lines.txt_00001 failed: S3 did not answer",
        "String_Reverse of shard lines.txt_00003 failed: line 7: found 70000000 bytes, expected at most 67108864",
    ]
    assert answer == {
        "OutputStatus": "FAILED",
        "permanent": False,
        "reason_count": 2,
        "reasons": reasons,
        "reasons_key": REASONS_KEY,
        "subject": "FAILED: string_processing of project Project1",
    }
    assert message == (
        "Run 20260102-030405-abc123 of string_processing, project Project1: FAILED at try 1 of 3.\n"
        "\n"
        "Found wrong (2):\n"
        f"- {reasons[0]}\n"
        f"- {reasons[1]}\n"
        "\n"
        "Next: try 2 of 3 starts in 5 s and runs only what is missing.\n"
        "How it went: hpc show 20260102-030405-abc123\n"
        "What the jobs wrote: hpc logs 20260102-030405-abc123\n"
        f"All reasons: s3://{store.bucket}/{REASONS_KEY}"
    )
    assert store.json(REASONS_KEY)["reasons"] == reasons


@pytest.mark.parametrize(
    ("attempt", "permanent", "next_step"),
    [
        (1, False, "try 2 of 3 starts in 5 s and runs only what is missing."),
        (
            3,
            False,
            "no further try, this was the last of 3. Correct what is named above, then go on: "
            "hpc resume 20260102-030405-abc123",
        ),
        (
            1,
            True,
            "no further try, another one would not change this. "
            "Correct what is named above, then go on: hpc resume 20260102-030405-abc123",
        ),
    ],
)
def test_given_a_failure_then_the_mail_says_which_try_and_what_follows(check, make_run, attempt, permanent, next_step):
    run = make_run()
    run.fail_shards("String_Repeat", {1: ("reason", permanent)})

    lines = answer_for(check, run, attempt=attempt)[0]["message"].split("\n")

    assert lines[0].endswith(f"FAILED at try {attempt} of 3.")
    assert f"Next: {next_step}" in lines


def test_given_a_failed_split_then_the_mail_says_before_its_first_try(check, make_run):
    run = make_run()
    run.fail_split("too many shards: found 12000, expected at most 10000")

    message = answer_for(check, run, attempt=0)[0]["message"]

    assert "FAILED before its first try." in message
    assert "- String_Split failed: too many shards: found 12000, expected at most 10000" in message


def test_given_57_failed_shards_then_20_are_told_and_the_rest_is_in_s3(check, make_run):
    run = make_run([b"x\n"] * 57, lines_per_shard=1)
    run.fail_shards("String_Repeat", dict.fromkeys(range(57), ("no memory", False)))

    answer, document = answer_for(check, run)

    assert (answer["reason_count"], len(answer["reasons"])) == (57, 20)
    assert f"- and 37 more, all in s3://data-bucket/{REASONS_KEY}\n" in answer["message"]
    assert len(json.loads(document)["reasons"]) == 57


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "\u65e5\u672c" * 10_000, "a\nb\x00c\x1b[31m" * 9_000, "\udc80" * 9_000]
)
def test_given_10000_failing_shards_with_huge_reasons_then_the_state_stays_under_32_kib(check, make_run, text):
    run = make_run([b"x\n"] * 10_000, lines_per_shard=1)
    for state in ("String_Repeat", "String_Reverse"):
        run.fail_shards(state, dict.fromkeys(range(10_000), ("short", False)))
    run.objects[run.record_key("String_Repeat_Merge.failed.json")] = json.dumps(
        {
            "run_id": "20260102-030405-abc123",
            "reason": "10000 shards are missing",
            "permanent": False,
            "missing": [
                {"index": index, "shard": shard, "reason": text if index < 25 else "short", "permanent": False}
                for index, shard in enumerate(run.shards)
            ],
        }
    ).encode()

    answer, document = answer_for(check, run)

    assert answer["reason_count"] == 20_000
    assert state_bytes(answer) < 32 * 1024
    assert all(len(reason.encode()) <= 500 and reason.isprintable() for reason in answer["reasons"])
    assert "- and 19,980 more, all in s3://" in answer["message"]
    assert len(json.loads(document)["reasons"]) == 20_000


def test_given_the_longest_names_then_a_shortened_reason_keeps_the_object_and_the_finding(check, make_run):
    file = "\u65e5" * 200
    run = make_run(file=file)
    run.remove(f"result/Project1/String_Repeat/repeat_{file}_00002")

    reason = answer_for(check, run)[0]["reasons"][0]

    assert reason.startswith("s3://data-bucket/result/Project1/String_Repeat/repeat_\u65e5")
    assert reason.endswith(
        "_00002 is missing, expected 15 bytes; its record counts it as done, "
        "so no try makes it again: submit the run again"
    )
    assert len(reason.encode()) <= 500


@pytest.mark.parametrize(
    ("workflow", "project", "subject"),
    [
        ("string_processing", "P", "SUCCEEDED: string_processing of project P"),
        ("string_processing", "p" * 64, f"SUCCEEDED: string_processing of project {'p' * 56}..."),
        ("w\u00f6rk\nflow", "\u65e5", "SUCCEEDED: w?rk?flow of project ?"),
    ],
)
def test_given_any_names_then_the_subject_is_what_sns_takes(check, make_run, workflow, project, subject):
    run = make_run()
    event = check.check_event.CheckEvent.parse(run.check_event(workflow=workflow, project=project))
    verdict = check.comparison.Verdict((), None, 0, {})

    found = check.notification.subject(event, verdict)

    assert found == subject
    assert len(found) < 100


def test_given_more_objects_than_a_page_holds_when_checked_then_all_are_seen(check, make_run, store):
    run = make_run([b"ab\n"] * 1100, lines_per_shard=1)
    last = "result/Project1/String_Reverse/reverse_lines.txt_01099"
    run.objects[last] = b"too long\n"
    store.put({key: data for key, data in run.objects.items() if "/String_Reverse/reverse_" in key})
    store.put({key: run.objects[key] for key in run.objects if key.count("/") == 4 and "/records/" in key})

    check.check_output.handler(run.check_event(bucket=store.bucket), None)

    reasons = store.json(REASONS_KEY)["reasons"]
    assert [reason for reason in reasons if "/String_Reverse/" in reason] == [
        f"s3://{store.bucket}/{last} has 9 bytes, expected 3 bytes"
    ]


def test_given_an_empty_run_when_checked_then_it_succeeded(check, make_run, store):
    run = make_run([])
    store.put(run.objects)

    answer = check.check_output.handler(run.check_event(bucket=store.bucket), None)

    assert answer["OutputStatus"] == "SUCCEEDED"
    assert "(0 bytes, 0 lines, 0 shards)" in answer["message"]


@pytest.mark.parametrize(
    "file", ["a b+c&d.txt", "\u00e9\u65e5\u672c.txt", "x\u0085y\u2028z", "%41?#.txt", "_merge", "a.failed"]
)
def test_given_an_odd_file_name_when_checked_then_its_objects_are_found(check, make_run, store, file):
    run = make_run(file=file)
    store.put(run.objects)

    assert check.check_output.handler(run.check_event(bucket=store.bucket), None)["reasons"] == []


def test_given_a_second_call_when_checked_then_answer_and_reasons_are_the_same(check, make_run, store):
    run = make_run()
    run.fail_shards("String_Repeat", {0: ("reason", False)})
    store.put(run.objects)

    answers = [check.check_output.handler(run.check_event(bucket=store.bucket), None) for _ in range(2)]

    assert answers[0] == answers[1]
    assert store.json(REASONS_KEY)["reasons"] == answers[0]["reasons"]


@pytest.mark.parametrize(("status", "permanent"), [(403, True), (404, False), (503, False)])
def test_given_a_record_that_s3_does_not_give_then_it_is_a_reason(check, make_run, status, permanent):
    run = make_run()
    event = check.check_event.CheckEvent.parse(run.check_event())
    key = run.record_key("String_Repeat_Merge.json")

    class RefusingS3:
        """Only a fault: the local S3 refuses nobody and has no bad days."""

        def get_object(self, **_):
            response = {"Error": {"Code": "Code"}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise check.check_output.ClientError(response, "GetObject")

    unreadable = check.check_output.read(RefusingS3(), "data-bucket", key)
    sizes = {k: len(data) for k, data in run.objects.items()}
    verdict = check.comparison.judge(event, check.comparison.Snapshot(sizes, {**run.objects, key: unreadable}))

    assert [(f.reason, f.permanent) for f in verdict.findings] == [
        (f"s3://data-bucket/{key}: found Code when it was read, expected a record", permanent)
    ]


def test_given_a_bucket_that_is_not_there_when_checked_then_the_error_reaches_the_state_machine(check, make_run, s3):
    with pytest.raises(check.check_output.ClientError, match="NoSuchBucket"):
        check.check_output.handler(make_run().check_event(bucket="no-such-bucket"), None)


MEASURED = """
import json, re, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import boto3, check_event, comparison, notification
client = boto3.client("s3", region_name="us-east-1")
folder = Path(sys.argv[2])
event = check_event.CheckEvent.parse(json.loads((folder / "event.json").read_bytes()))
with (folder / "sizes").open(encoding="utf-8") as lines:
    sizes = {key: int(size) for size, _, key in (line.rstrip("\\n").partition(" ") for line in lines)}
records = {event.record_key(file.name): file.read_bytes() for file in (folder / "records").iterdir()}
verdict = comparison.judge(event, comparison.Snapshot(sizes, records))
notification.answer(event, verdict), notification.reasons_document(event, verdict)
peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if Path("/proc/self/status").exists():  # on Linux ru_maxrss counts the test's own process, which this one was made from
    peak_kib = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(json.dumps([verdict.status, len(verdict.findings), peak_kib // 1024]))
"""


@pytest.mark.parametrize(("wrong", "expected"), [(False, ["SUCCEEDED", 0]), (True, ["FAILED", 20_000])])
def test_given_10000_shards_with_the_longest_names_when_judged_then_it_fits_the_functions_memory(
    check, make_run, tmp_path, wrong, expected
):
    run = make_run([b"x\n"] * 10_000, lines_per_shard=1, file="\u65e5" * 200)
    (tmp_path / "records").mkdir()
    for task in ("String_Split", "String_Repeat_Merge", "String_Reverse_Merge"):
        (tmp_path / "records" / task).write_bytes(run.objects[run.record_key(f"{task}.json")])
    (tmp_path / "event.json").write_text(json.dumps(run.check_event()), encoding="utf-8")
    listed = {
        key: len(data) + (wrong and "/String_Re" in key and "_merge" not in key) for key, data in run.objects.items()
    }
    (tmp_path / "sizes").write_text("".join(f"{size} {key}\n" for key, size in listed.items()), encoding="utf-8")
    folder = Path(check.check_output.__file__).parent

    measured = subprocess.run(
        [sys.executable, "-c", MEASURED, str(folder), str(tmp_path)], capture_output=True, check=True, timeout=120
    )

    *found, peak_mib = json.loads(measured.stdout)
    assert found == expected
    assert peak_mib < 300  # of 512; the rest is for what Lambda runs beside the function
