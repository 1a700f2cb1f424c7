"""Check_Output's event, refused with what was found and what was expected; and the sizes that a branch must have."""

import pytest


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_given_a_size_factor_when_measured_then_text_is_multiplied_and_terminators_are_not(check, factor):
    shard = check.run_records.Measure(bytes=10, lines=3, terminator_bytes=4)

    assert shard.repeated(factor) == check.run_records.Measure(bytes=6 * factor + 4, lines=3, terminator_bytes=4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"workflow": ""}, "field workflow: found '', expected text that is not empty"),
        ({"input_key": "a/"}, "field input_key: found 'a/', expected a key that does not end with '/'"),
        ({"attempt": -1}, "field attempt: found -1, expected 0 or more"),
        ({"max_attempts": "3"}, "field max_attempts: found '3', expected a whole number"),
        ({"max_attempts": 0}, "field max_attempts: found 0, expected 1 or more"),
        ({"branches": None}, "field branches: found None, expected an object that is not empty"),
        ({"branches": {"A": {"merge_state": "M"}}}, "field prefix: found None, expected text that is not empty"),
        (
            {"branches": {"A": {"merge_state": "M", "prefix": "p", "size_factor": 1.5}}},
            "field size_factor: found 1.5, expected a whole number",
        ),
    ],
)
def test_given_a_bad_event_when_checked_then_the_error_says_found_and_expected(check, make_run, changes, message):
    with pytest.raises(check.check_event.EventError) as caught:
        check.check_output.handler(make_run().check_event(**changes), None)

    assert str(caught.value) == message
