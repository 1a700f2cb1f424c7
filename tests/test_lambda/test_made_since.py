"""A resumed run: records that other code has made do not count, for Job_Map, Check_Output and their verdicts."""

from datetime import UTC, datetime, timedelta

import pytest

SHARD_STATES = ("String_Repeat", "String_Reverse")
ALL_STATES = ("String_Split", *SHARD_STATES, "String_Repeat_Merge", "String_Reverse_Merge")


@pytest.fixture
def after_all(store, make_run):
    """Puts a complete run; gives it and, for these states, a time after all of its records."""
    run = make_run()
    store.put(run.objects)
    newest = max(entry["LastModified"] for entry in store.client.list_objects_v2(Bucket=store.bucket)["Contents"])

    def since(*states, seconds=1):
        event = run.job_map_event()["made_since"]
        return {**event, **dict.fromkeys(states, (newest + timedelta(seconds=seconds)).isoformat())}

    return run, since


@pytest.mark.parametrize(
    ("states", "to_do"),
    [
        ((), [(0, False), (0, False)]),
        (("String_Repeat", "String_Repeat_Merge"), [(4, True), (0, False)]),
        (("String_Repeat_Merge", "String_Reverse_Merge"), [(0, True), (0, True)]),
        (ALL_STATES[1:], [(4, True), (4, True)]),
    ],
)
def test_given_states_to_redo_when_mapped_then_their_old_records_do_not_count(job_map, store, after_all, states, to_do):
    run, since = after_all

    answer = job_map.handler(run.job_map_event(bucket=store.bucket, made_since=since(*states)), None)["branches"]

    assert [(answer[state]["shards_to_do"], answer[state]["merge_to_do"]) for state in SHARD_STATES] == to_do


def test_given_records_of_the_second_in_which_the_execution_started_when_mapped_then_they_count(
    job_map, store, after_all
):
    run, _ = after_all
    newest = max(entry["LastModified"] for entry in store.client.list_objects_v2(Bucket=store.bucket)["Contents"])
    oldest = min(entry["LastModified"] for entry in store.client.list_objects_v2(Bucket=store.bucket)["Contents"])
    started = oldest.replace(microsecond=0) + timedelta(milliseconds=999)
    made_since = dict.fromkeys(ALL_STATES, started.isoformat())

    assert newest - oldest < timedelta(seconds=30)
    answer = job_map.handler(run.job_map_event(bucket=store.bucket, made_since=made_since), None)["branches"]

    assert [answer[state]["shards_to_do"] for state in SHARD_STATES] == [0, 0]


def test_given_a_split_to_redo_that_left_no_new_record_when_mapped_then_its_old_one_does_not_count(
    job_map, store, after_all
):
    run, since = after_all

    with pytest.raises(job_map.SplitRecordMissing):
        job_map.handler(run.job_map_event(bucket=store.bucket, made_since=since("String_Split")), None)


@pytest.mark.parametrize(
    ("states", "first_reason"),
    [
        ((), None),
        (("String_Split",), "String_Split failed: no record: the job did not finish (its log tells why)"),
        (
            ("String_Repeat", "String_Repeat_Merge"),
            "String_Repeat_Merge failed: no record: the job did not finish (its log tells why)",
        ),
    ],
)
def test_given_states_to_redo_that_left_no_new_records_when_checked_then_the_old_ones_are_not_called_good(
    check, store, after_all, states, first_reason
):
    run, since = after_all

    answer = check.check_output.handler(run.check_event(bucket=store.bucket, made_since=since(*states)), None)

    assert answer["OutputStatus"] == ("FAILED" if first_reason else "SUCCEEDED")
    assert next(iter(answer["reasons"]), None) == first_reason


def test_given_an_old_failure_of_a_state_to_redo_when_checked_then_it_does_not_tell_why(check, store, make_run):
    run = make_run()
    run.fail_shards("String_Repeat", {1: ("line 3 is wrong", True)})
    store.put(run.objects)
    later = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    made_since = {**run.check_event()["made_since"], "String_Repeat": later, "String_Repeat_Merge": later}

    answer = check.check_output.handler(run.check_event(bucket=store.bucket, made_since=made_since), None)

    assert not answer["permanent"]
    assert not any("line 3 is wrong" in reason for reason in answer["reasons"])


@pytest.mark.parametrize(
    ("made_since", "message"),
    [
        ({}, "field made_since: found {}, expected an object that is not empty"),
        ({"String_Split": 5}, "field String_Split: found 5, expected text that is not empty"),
        (
            {"String_Split": "yesterday"},
            "field String_Split: found 'yesterday', expected a time such as 2026-01-31T09:30:00Z",
        ),
    ],
)
def test_given_no_time_in_the_event_then_the_error_says_what_was_expected(
    mapping, check, make_run, made_since, message
):
    with pytest.raises(mapping.map_event.EventError) as caught:
        mapping.map_event.JobMapEvent.parse(make_run().job_map_event(made_since=made_since))
    assert str(caught.value) == message

    with pytest.raises(check.check_event.EventError) as caught:
        check.check_event.CheckEvent.parse(make_run().check_event(made_since=made_since))
    assert str(caught.value) == message
