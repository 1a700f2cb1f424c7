"""Conversion and validation of what a person gives."""

import re

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc import parameters
from hpc import workflow_folders as folders
from hpc.errors import WrongInput
from hpc.parameters import convert, validate
from hpc.workflows import Parameter

GOOD = {
    "ProjectNo": "Project1",
    "INPUT_BUCKET": "data-bucket",
    "INPUT_KEY": "uploads/Project1/lines.txt",
    "SPLIT_NUM": 10_000,
}
PROJECT = (
    "--project (ProjectNo): found {}; expected 1 to 64 of A-Z, a-z, 0-9, '_' and '-', first and last a letter or "
    "digit; for example Project1"
)
LINES = "--lines-per-shard (SPLIT_NUM): found {}; expected a whole number from 1 to 1000000000; for example 10000"
KEY = (
    "--input-key (INPUT_KEY): found {}; expected an S3 key of at most 700 characters without control characters, its "
    "last part 1 to 200 characters; for example uploads/Project1/lines.txt"
)
BUCKET = (
    "--input-bucket (INPUT_BUCKET): found {}; expected an S3 bucket name (3 to 63 of a-z, 0-9, '.' and '-'); for "
    "example my-data-bucket"
)


def parameter(name, **schema):
    return Parameter(name=name, flag=None, required=False, schema=schema)


def test_good_parameters_get_the_defaults(string_processing):
    assert validate(string_processing, GOOD) == {**GOOD, "architecture": "graviton"}
    assert validate(string_processing, {**GOOD, "architecture": "x86", "OUTPUT_BUCKET": None})["architecture"] == "x86"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ProjectNo", "a/b", PROJECT.format("'a/b'")),
        ("ProjectNo", "..", PROJECT.format("'..'")),
        ("ProjectNo", "my project", PROJECT.format("'my project'")),
        ("ProjectNo", "x" * 200, PROJECT.format(f"'{'x' * 60}...' (200 characters)")),
        ("ProjectNo", "", PROJECT.format("''")),
        ("ProjectNo", "P1\n", PROJECT.format(r"'P1\n'")),
        ("ProjectNo", "-P1", PROJECT.format("'-P1'")),
        ("ProjectNo", "Pröject", PROJECT.format("'Pröject'")),
        ("ProjectNo", None, PROJECT.format("nothing")),
        ("SPLIT_NUM", 0, LINES.format("0")),
        ("SPLIT_NUM", -5, LINES.format("-5")),
        ("SPLIT_NUM", "ten", LINES.format("'ten'")),
        ("SPLIT_NUM", "1e12", LINES.format("'1e12'")),
        ("SPLIT_NUM", 10**12, LINES.format("1000000000000")),
        ("SPLIT_NUM", 1.5, LINES.format("1.5")),
        ("SPLIT_NUM", None, LINES.format("nothing")),
        ("INPUT_KEY", "uploads/", KEY.format("'uploads/'")),
        ("INPUT_KEY", "uploads//a", KEY.format("'uploads//a'")),
        ("INPUT_KEY", "uploads/a\n", KEY.format(r"'uploads/a\n'")),
        ("INPUT_KEY", "uploads/a\x00b", KEY.format(r"'uploads/a\x00b'")),
        ("INPUT_BUCKET", "My_Bucket", BUCKET.format("'My_Bucket'")),
        (
            "architecture",
            "arm",
            "--architecture (architecture): found 'arm'; expected graviton or x86; for example graviton",
        ),
        (
            "COLOUR",
            "red",
            "COLOUR: found 'red'; expected one of the parameters INPUT_BUCKET, INPUT_KEY, OUTPUT_BUCKET, ProjectNo, "
            "SPLIT_NUM, architecture",
        ),
    ],
)
def test_bad_parameters_are_refused_by_name(string_processing, name, value, message):
    with pytest.raises(WrongInput) as refusal:
        validate(string_processing, {**GOOD, name: value})
    assert str(refusal.value) == message


def test_all_problems_are_told_at_once(string_processing):
    with pytest.raises(WrongInput) as refusal:
        validate(string_processing, {**GOOD, "ProjectNo": "..", "SPLIT_NUM": 0})
    assert str(refusal.value).splitlines() == [PROJECT.format("'..'"), LINES.format("0")]


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "integer"}, "10", 10),
        ({"type": "integer"}, "-5", -5),
        ({"type": "integer"}, "1_000", "1_000"),
        ({"type": "integer"}, " 1", " 1"),
        ({"type": "integer"}, "١٢", "١٢"),
        ({"type": "integer"}, "9" * 5000, "9" * 5000),
        ({"type": "integer"}, "", ""),
        ({"type": "number"}, "1.5e3", 1500.0),
        ({"type": "number"}, "nan", "nan"),
        ({"type": "boolean"}, "true", True),
        ({"type": "boolean"}, "yes", "yes"),
        ({"type": "string"}, "10", "10"),
        ({}, "10", "10"),
    ],
)
def test_text_gets_the_type_of_the_parameter_where_it_is_of_that_type(schema, text, value):
    converted = convert(parameter("X", **schema), text)
    assert converted == value
    assert type(converted) is type(value)


@given(st.text(max_size=80))
def test_a_project_is_safe_in_keys_names_and_shells(text):
    string_processing = folders.load("string_processing")
    try:
        validate(string_processing, {**GOOD, "ProjectNo": text})
    except WrongInput:
        assert not re.fullmatch("[A-Za-z0-9]+", text) or len(text) > 64
    else:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}\Z", text)


SCHEMAS = [parameter.schema for parameter in folders.load("string_processing").parameters] + [
    {"type": "number", "minimum": -1.5, "maximum": 2},
    {"type": "boolean"},
    {"type": "string", "minLength": 2, "maxLength": 3},
    {"type": "integer", "enum": [1, 2]},
]
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.text("aA0-_./$", max_size=70),
    st.sampled_from(["graviton", "x86", "uploads/a", "Project1", 1.0, 10**9, 10**9 + 1, "", "ab", "abc", "abcd"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
)


@given(st.sampled_from(SCHEMAS), ANYTHING)
def test_the_verdicts_are_those_of_jsonschema(schema, value):
    """But for `$`, which jsonschema lets stand before a line feed."""
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    if isinstance(value, str) and value.endswith("\n"):
        return
    assert parameters.fits(schema, value) is expected


def test_a_whole_number_that_is_written_as_a_fraction_is_one():
    values = validate(folders.load("string_processing"), GOOD | {"SPLIT_NUM": 10.0})
    assert (values["SPLIT_NUM"], type(values["SPLIT_NUM"])) == (10, int)
