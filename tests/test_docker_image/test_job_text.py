"""Lines and transformations: properties, held against simple references."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpc_job.errors import InputError
from hpc_job.text import Measure, is_one_line, measured, parted, whole_lines
from string_repeat.repeat import repeat_lines
from string_reverse.reverse import character_start, decoded, reverse_lines
from string_split.cut import cut

# Line ends, CRs, NUL, characters of one to four bytes, parts of characters, an encoded surrogate, and any bytes.
PIECES = st.sampled_from(
    [
        *(b"\n", b"\r\n", b"\r", b"\0", b"a", b"bc"),
        *(text.encode() for text in ("é", "€", "🧬", "e\u0301")),
        *(
            b"\xc3",
            b"\xe2\x82",
            b"\xf0\x9f\xa7",
            b"\x80",
            b"\xbf\xbf\xbf\xbf\xbf",
            b"\xff",
            b"\xed\xa0\x80",
            b"\xc0\x80",
        ),
    ]
)
ANY_TEXT = st.lists(PIECES | st.binary(max_size=6), max_size=40).map(b"".join)
VALID_TEXT = st.lists(
    st.tuples(
        st.text(st.characters(blacklist_characters="\n", blacklist_categories=["Cs"]), max_size=12).map(
            lambda line: line.strip("\r")
        ),
        st.sampled_from(["\n", "\r\n"]),
    ),
    max_size=12,
).map(lambda lines: "".join(text + end for text, end in lines).encode())
SIZES = st.integers(min_value=1, max_value=9)
unhurried = settings(deadline=None)  # a busy machine is no failure
LINE = re.compile(rb"([^\n]*?)(\r?\n)|([^\n]+)\Z")


def chunked(text: bytes, size: int) -> Iterator[bytes]:
    stream = io.BytesIO(text)
    return iter(lambda: stream.read(size), b"")


def reference_lines(text: bytes) -> list[tuple[bytes, bytes]]:
    """Each line's text and terminator, the slow and simple way."""
    return [(match[1] if match[2] else match[3], match[2] or b"") for match in LINE.finditer(text)]


def reference_characters(text: bytes) -> list[bytes]:
    """Characters of a line, each a valid UTF-8 sequence or a single byte, tried byte for byte."""
    characters = []
    while text:
        for length in (4, 3, 2, 1):
            try:
                if len(text[:length].decode()) == 1:
                    break
            except UnicodeDecodeError:
                continue
        characters.append(text[:length])
        text = text[length:]
    return characters


def reference_repeat(text: bytes) -> bytes:
    return b"".join(line + line + end for line, end in reference_lines(text))


def reference_reverse(text: bytes) -> bytes:
    return b"".join(b"".join(reversed(reference_characters(line))) + end for line, end in reference_lines(text))


def applied(
    function: Callable[..., Iterator[bytes]], text: bytes, *, chunk: int = 1 << 20, piece: int = 1 << 20
) -> bytes:
    return b"".join(function(whole_lines(chunked(text, chunk), "text"), piece_bytes=piece))


@unhurried
@given(ANY_TEXT, SIZES, SIZES)
@example(b"ab\r\r\n\r\ncd\r", 1, 1)
@example(b"\r\n\n\r", 2, 1)
def test_repeat_is_the_reference_whatever_the_blocks(text: bytes, chunk: int, piece: int) -> None:
    assert applied(repeat_lines, text) == reference_repeat(text)
    assert applied(repeat_lines, text, chunk=chunk, piece=piece) == reference_repeat(text)


@unhurried
@given(ANY_TEXT, SIZES, SIZES)
@example(b"ab\r\r\n\r\ncd\r", 1, 1)
@example(b"\xf0\x9f\xa7\xac\x80\x80\x80\x80\n", 3, 2)
@example(b"\x80\x80\x80\x80\x80\x80", 6, 1)
def test_reverse_is_the_reference_whatever_the_blocks(text: bytes, chunk: int, piece: int) -> None:
    assert applied(reverse_lines, text) == reference_reverse(text)
    assert applied(reverse_lines, text, chunk=chunk, piece=piece) == reference_reverse(text)


@unhurried
@given(VALID_TEXT)
def test_reversing_valid_text_twice_changes_nothing(text: bytes) -> None:
    assert applied(reverse_lines, applied(reverse_lines, text)) == text


@unhurried
@given(ANY_TEXT)
def test_reverse_keeps_bytes_size_and_lines(text: bytes) -> None:
    output = applied(reverse_lines, text)
    assert Counter(output) == Counter(text)
    before, after = measure_of(text), measure_of(output)
    assert (after.bytes, after.terminated_lines) == (before.bytes, before.terminated_lines)
    assert after.lines == before.lines


@unhurried
@given(ANY_TEXT)
def test_repeat_has_twice_the_bytes_without_the_terminators(text: bytes) -> None:
    measure = measure_of(text)
    output = measure_of(applied(repeat_lines, text))
    assert output.bytes == 2 * measure.bytes - measure.terminator_bytes
    assert output.lines == measure.lines


@pytest.mark.parametrize(
    ("text", "repeated", "reversed_"),
    [
        (b"", b"", b""),
        (b"abc", b"abcabc", b"cba"),
        (b"abc\n", b"abcabc\n", b"cba\n"),
        (b"abc\r\nde", b"abcabc\r\ndede", b"cba\r\ned"),
        (b"\n\r\n", b"\n\r\n", b"\n\r\n"),
        (b"a\rb\n", b"a\rba\rb\n", b"b\ra\n"),
        (b"abc\r", b"abc\rabc\r", b"\rcba"),
        (b"a\0b\n", b"a\0ba\0b\n", b"b\0a\n"),
        ("aé€🧬\n".encode(), "aé€🧬aé€🧬\n".encode(), "🧬€éa\n".encode()),
        (b"a\xffb\xe2\x82c\n", b"a\xffb\xe2\x82ca\xffb\xe2\x82c\n", b"c\x82\xe2b\xffa\n"),
        (
            "x\u2028y\x0bz\x85\n".encode(),
            "x\u2028y\x0bz\x85x\u2028y\x0bz\x85\n".encode(),
            "\x85z\x0by\u2028x\n".encode(),
        ),
    ],
)
def test_lines_as_a_person_would_write_them(text: bytes, repeated: bytes, reversed_: bytes) -> None:
    assert applied(repeat_lines, text) == repeated
    assert applied(reverse_lines, text) == reversed_


def test_reverse_does_what_rev_does(tmp_path) -> None:
    lines = [f"line {n} äöü €{n} 🧬 e\u0301\ttab {'x' * (n % 97)}" for n in range(3_000)]
    text = ("\n".join([*lines, "", "日本語", "no end"])).encode()
    output = applied(reverse_lines, text, chunk=1000)
    assert output == reference_reverse(text)
    if shutil.which("rev"):
        path = tmp_path / "text"
        path.write_bytes(text)
        environment = os.environ | {"LC_ALL": "C.UTF-8"}
        expected = subprocess.run(["rev", path], env=environment, capture_output=True, check=True).stdout
        # some versions of rev end the last line although the input does not
        assert output == expected.removesuffix(b"\n")


@unhurried
@given(ANY_TEXT, SIZES, SIZES)
def test_measure_is_the_reference_wherever_the_text_is_cut(text: bytes, size: int, other_size: int) -> None:
    lines = reference_lines(text)
    expected = {
        "bytes": len(text),
        "lines": len(lines),
        "terminator_bytes": sum(len(end) for _, end in lines),
        "sha256": hashlib.sha256(text).hexdigest(),
    }
    for chunks in (chunked(text, size), chunked(text, other_size)):
        measure = Measure()
        assert b"".join(measured(chunks, measure)) == text
        assert measure.as_record() == expected


@unhurried
@given(ANY_TEXT, SIZES)
def test_blocks_are_whole_lines_and_lose_nothing(text: bytes, size: int) -> None:
    blocks = list(whole_lines(chunked(text, size), "text"))
    assert b"".join(blocks) == text
    assert all(block.endswith(b"\n") for block in blocks[:-1])
    assert all(len(block) <= size or is_one_line(block) for block in blocks)


@unhurried
@given(st.lists(st.integers(0, 12), max_size=8), st.integers(1, 8), st.booleans())
def test_a_line_is_refused_exactly_when_it_is_too_long(lengths: list[int], size: int, ended: bool) -> None:
    text = b"".join(b"x" * length + b"\n" for length in lengths)
    text = text if ended else text.removesuffix(b"\n")
    lines = [len(line) + len(end) for line, end in reference_lines(text)]
    too_long = next((number for number, length in enumerate(lines, start=1) if length > 8), None)
    blocks = whole_lines(chunked(text, size), "input s3://b/k", max_line_bytes=8)
    if too_long is None:
        assert b"".join(blocks) == text
    else:
        with pytest.raises(InputError) as refused:
            list(blocks)
        assert str(refused.value) == (
            f"input s3://b/k: found a line of more than 8 bytes (line {too_long}), "
            "expected lines of at most 8 bytes with their terminators; break this line up"
        )


@unhurried
@given(ANY_TEXT, SIZES, st.integers(1, 7))
def test_shards_are_the_input_cut_every_n_lines(text: bytes, size: int, lines_per_shard: int) -> None:
    shards: dict[int, bytes] = {}
    for number, piece in cut(whole_lines(chunked(text, size), "text"), lines_per_shard):
        shards[number] = shards.get(number, b"") + piece
    lines = [line + end for line, end in reference_lines(text)]
    expected = [b"".join(lines[n : n + lines_per_shard]) for n in range(0, len(lines), lines_per_shard)]
    assert list(shards) == list(range(len(expected)))
    assert list(shards.values()) == expected


@pytest.mark.parametrize("lines_per_shard", [1, 63, 64, 65, 66, 1000, 4096, 4999, 5000, 5001])
@pytest.mark.parametrize("line", [b"\n", b"ab\n", b"x" * 300 + b"\r\n"])
def test_shards_of_many_lines(line: bytes, lines_per_shard: int) -> None:
    counted: Counter[int] = Counter()
    for number, piece in cut(whole_lines(chunked(line * 5000, 70_000), "text"), lines_per_shard):
        counted[number] += piece.count(b"\n")
    full, rest = divmod(5000, lines_per_shard)
    assert list(counted.values()) == [lines_per_shard] * full + [rest] * (rest > 0)


@unhurried
@given(ANY_TEXT, st.data())
def test_a_character_start_never_cuts_a_character(text: bytes, data: st.DataObject) -> None:
    if not text:
        return
    start = character_start(text, data.draw(st.integers(0, len(text) - 1)))
    assert decoded(text[:start]) + decoded(text[start:]) == decoded(text)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"a\r\n", (b"a", b"\r\n")),
        (b"a\n", (b"a", b"\n")),
        (b"a\r", (b"a\r", b"")),
        (b"\r\r\n", (b"\r", b"\r\n")),
        (b"", (b"", b"")),
    ],
)
def test_a_line_has_two_parts(line: bytes, expected: tuple[bytes, bytes]) -> None:
    assert parted(line) == expected


def measure_of(text: bytes) -> Measure:
    measure = Measure()
    measure.update(text)
    return measure
