"""Words for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc.wording import plural, printable, quoted


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a/b", "'a/b'"),
        ("", "''"),
        (0, "0"),
        ("x" * 200, f"'{'x' * 60}...' (200 characters)"),
        ("a\x1b[31m", r"'a\x1b[31m'"),
    ],
)
def test_quoted(value, shown):
    assert quoted(value) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a b ü 土", "a b ü 土"), ("a\x1b[31m\r\n", r"a\x1b[31m\r\n"), ("\u202e", r"\u202e"), ("\udcff", r"\udcff")],
)
def test_printable(text, shown):
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_what_is_printed_is_printable(text):
    assert printable(text).isprintable()
    assert quoted(text).isprintable()


@pytest.mark.parametrize(("number", "text"), [(0, "0 jobs"), (1, "1 job"), (10_000, "10000 jobs")])
def test_plural(number, text):
    assert plural(number, "job") == text
