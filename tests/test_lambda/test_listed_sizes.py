"""Sizes by key: the same as a dict, in less memory."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

KEYS = st.one_of(
    st.text(max_size=8),
    st.builds(
        "{}_{}{}".format,
        st.sampled_from(["result/P/a", "a", "", "a_00001", "x\ny"]),
        st.sampled_from(["00000", "00001", "00017", "000017", "123456", "1234567", "1", "0000\u0661"]),
        st.sampled_from(["", ".json", ".failed.json", ".other", "\n"]),
    ),
)
SIZES = st.dictionaries(KEYS, st.integers(0, 2**62), max_size=20)


@settings(deadline=None)
@given(sizes=SIZES, others=SIZES, asked=st.lists(KEYS, max_size=20))
def test_given_any_keys_then_it_is_what_a_dict_would_be(check, sizes, others, asked):
    listed = check.listed_sizes.ListedSizes(sizes)
    listed.merge(check.listed_sizes.ListedSizes(others))
    expected = {**sizes, **others}

    assert dict(listed) == expected
    assert len(listed) == len(expected)
    for key in [*asked, *expected]:
        assert (key in listed, listed.get(key)) == (key in expected, expected.get(key))


def test_given_a_key_that_is_not_there_then_it_is_told(check):
    with pytest.raises(KeyError, match="a_00001"):
        check.listed_sizes.ListedSizes({"a_00002": 1})["a_00001"]


def test_given_a_million_keys_then_they_take_ten_megabytes(check):
    tracemalloc.start()
    listed = check.listed_sizes.ListedSizes()
    for number in range(1_000_000):
        listed.add(f"result/Project1/String_Repeat/repeat_lines.txt_{number:06d}", 100)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert len(listed) == 1_000_000
    assert held < 10e6
