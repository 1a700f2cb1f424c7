"""The text is the same everywhere, and a wrong result is found wherever it is wrong."""

import hashlib
import os
import subprocess

import pytest

from benchmarks import sample_text
from benchmarks.sample_text import (
    WrongResult,
    blocks_for,
    check_result,
    check_results,
    repeated,
    reversed_lines,
    write_text,
)

DIGEST_OF_THE_FIRST_BLOCK = "dcdb5ded796c976917fe4dedba99aaa0129f777e39fa41cec9bf2c6840de6a11"


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(sample_text, "LINES_OF_A_BLOCK", 100)
    sample_text.body.cache_clear()
    yield
    sample_text.body.cache_clear()


def test_a_million_lines_are_111_megabytes_and_always_the_same(tmp_path):
    text = tmp_path / "text"
    block_bytes = write_text(text, 1)
    assert 10 * block_bytes == pytest.approx(111e6, rel=0.005)
    assert text.read_bytes().count(b"\n") == sample_text.LINES_OF_A_BLOCK
    digest = hashlib.sha256(text.read_bytes()).hexdigest()
    assert digest == DIGEST_OF_THE_FIRST_BLOCK


@pytest.mark.usefixtures("small_blocks")
def test_a_text_has_at_least_the_size_that_was_asked_for(tmp_path):
    size = write_text(tmp_path / "text", blocks_for(30_000))
    block = write_text(tmp_path / "block", 1)
    assert 30_000 <= size < 30_000 + block


@pytest.mark.usefixtures("small_blocks")
def test_what_is_expected_of_repeat_is_what_sed_makes(tmp_path):
    text, result = tmp_path / "text", tmp_path / "result"
    write_text(text, 3)
    with result.open("wb") as made:
        environment = os.environ | {"LC_ALL": "C.UTF-8"}
        subprocess.run(["sed", "s/.*/&&/", str(text)], stdout=made, env=environment, check=True)
    check_result(result, 3, repeated)


def test_reversing_turns_characters_not_bytes():
    assert reversed_lines("génome pH\n土壤 1\n") == "Hp emonég\n1 壤土\n"
    assert repeated("ab\n\nc\n") == "abab\n\ncc\n"


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda data: data[:5_000] + b"#" + data[5_001:], "at byte 5000"),
        (lambda data: data[:-1], "found b''"),
        (lambda data: data + b"more", "behind its end"),
        (lambda data: b"", "at byte 0"),
    ],
    ids=["a changed byte", "a cut end", "something more", "nothing"],
)
def test_a_wrong_result_is_told_with_its_place(tmp_path, spoil, told):
    text, repeat, reverse = tmp_path / "text", tmp_path / "repeat", tmp_path / "reverse"
    write_text(text, 2)
    repeat.write_text(repeated(text.read_text()))
    reverse.write_text(reversed_lines(text.read_text()))
    check_results(repeat, reverse, 2)
    reverse.write_bytes(spoil(reverse.read_bytes()))
    with pytest.raises(WrongResult, match=told):
        check_results(repeat, reverse, 2)
