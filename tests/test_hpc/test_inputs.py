"""Files on this machine and objects in S3, looked at before a run is started."""

import hashlib
import io
import os
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpc import inputs
from hpc.errors import WrongInput
from hpc.inputs import Scan, check_file, check_file_name, check_sharding, count_shards
from hpc.workflows import Sharding

LABEL = "--lines-per-shard (SPLIT_NUM)"


def scan(content, max_line_bytes=100):
    return inputs.scan(io.BytesIO(content), max_line_bytes=max_line_bytes)


@given(st.lists(st.binary(max_size=12)).map(b"\n".join), st.integers(min_value=1, max_value=10))
def test_a_scan_counts_what_a_simple_count_counts(content, limit):
    lines = re.findall(rb"[^\n]*\n|[^\n]+", content)
    long_lines = [number for number, line in enumerate(lines, start=1) if len(line) > limit]
    assert scan(content, limit) == Scan(
        bytes=len(content),
        lines=len(lines),
        sha256=hashlib.sha256(content).hexdigest(),
        long_line=long_lines[0] if long_lines else None,
    )


@pytest.mark.parametrize(
    ("lines", "lines_per_shard", "shards"),
    [(0, 10, 0), (1, 10, 1), (10, 10, 1), (11, 10, 2), (10**18 + 1, 10, 10**17 + 1)],
)
def test_count_shards(lines, lines_per_shard, shards):
    assert count_shards(lines, lines_per_shard) == shards


def test_a_good_file_is_scanned(tmp_path, string_processing):
    file = tmp_path / "zeilen ü.txt"
    file.write_bytes(b"a\r\nb")
    found = check_file(file, string_processing, on_laptop=True)
    assert (found.bytes, found.lines, found.long_line) == (4, 2, None)


def test_an_empty_file_is_a_good_one(tmp_path, string_processing):
    (tmp_path / "empty").touch()
    assert check_file(tmp_path / "empty", string_processing, on_laptop=True).lines == 0


def test_a_missing_file_is_refused(tmp_path, string_processing):
    with pytest.raises(WrongInput) as refusal:
        check_file(Path("no/such.txt"), string_processing, on_laptop=True)
    assert str(refusal.value) == (
        "FILE: found 'no/such.txt': No such file or directory; expected a regular file that you may read"
    )


def test_a_file_that_may_not_be_read_is_refused(tmp_path, string_processing, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def refuse(*_):
        # Root may read everything, and tests may run as root.
        raise PermissionError(13, "Permission denied")

    Path("secret.txt").touch()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(WrongInput) as refusal:
        check_file(Path("secret.txt"), string_processing, on_laptop=True)
    assert str(refusal.value) == (
        "FILE: found 'secret.txt': Permission denied; expected a regular file that you may read"
    )


def test_a_folder_is_refused(tmp_path, string_processing, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(WrongInput) as refusal:
        check_file(Path("folder"), string_processing, on_laptop=True)
    assert str(refusal.value) == "FILE: found 'folder', a folder; expected a regular file"


def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path, string_processing, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    with pytest.raises(WrongInput) as refusal:
        check_file(Path("pipe"), string_processing, on_laptop=True)
    assert str(refusal.value) == "FILE: found 'pipe', a device or pipe; expected a regular file"


def test_a_file_that_the_laptop_s_disk_has_no_room_for_is_refused(tmp_path, string_processing, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPC_STATE_DIR", str(tmp_path / "not" / "there"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    Path("big.txt").write_bytes(bytes(1001))
    with pytest.raises(WrongInput) as refusal:
        check_file(Path("big.txt"), string_processing, on_laptop=True)
    assert str(refusal.value) == (
        "FILE: found 'big.txt' with 1001 bytes; expected at most 1000, what is free on the disk of "
        f"{tmp_path}/not/there; free some space, or choose a folder on another disk: HPC_STATE_DIR=DIR hpc up"
    )
    assert check_file(Path("big.txt"), string_processing, on_laptop=False).bytes == 1001


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "a\nb",
            r"FILE: found 'a\nb'; expected a name in UTF-8 without control characters; rename the file",
        ),
        (
            "a\x85b",
            r"FILE: found 'a\x85b'; expected a name in UTF-8 without control characters; rename the file",
        ),
        (
            os.fsdecode(b"a\xff"),
            r"FILE: found 'a\udcff'; expected a name in UTF-8 without control characters; rename the file",
        ),
        (
            "x" * 201,
            f"FILE: found '{'x' * 60}...' (201 characters); expected a name of at most 200 characters; rename the file",
        ),
    ],
)
def test_names_that_are_none_on_s3_are_refused(name, message):
    with pytest.raises(WrongInput) as refusal:
        check_file_name(Path("folder") / name)
    assert str(refusal.value) == message


@pytest.mark.parametrize(("path", "shown"), [("", "."), (".", "."), ("/", "/"), ("..", ".."), ("a/..", "a/..")])
def test_a_path_without_a_name_is_refused(path, shown):
    with pytest.raises(WrongInput) as refusal:
        check_file_name(Path(path))
    assert str(refusal.value) == f"FILE: found '{shown}', a folder; expected a regular file"


@pytest.mark.parametrize("name", ["lines.txt", "x" * 200, "ü 土壤 {0} 'a' [b].txt", ".hidden"])
def test_all_other_names_pass(name):
    check_file_name(Path(name))


@pytest.mark.parametrize(
    ("found", "lines_per_shard", "message"),
    [
        (
            Scan(bytes=30_000, lines=1_000_001, sha256="", long_line=None),
            1,
            f"{LABEL}: found 1, which makes 1000001 shards of the 1000001 lines; expected at most 1000000 shards; the "
            "smallest number that fits is 2",
        ),
        (
            Scan(bytes=30_000, lines=100_000_000, sha256="", long_line=None),
            99,
            f"{LABEL}: found 99, which makes 1010102 shards of the 100000000 lines; expected at most 1000000 shards; "
            "the smallest number that fits is 100",
        ),
        (
            Scan(bytes=80_000_000, lines=7, sha256="", long_line=3),
            10,
            "FILE: line 3 of 'a.txt' is too long; expected lines of at most 67108864 bytes (64 MiB), because a job "
            "holds a line in memory; cut that line",
        ),
    ],
)
def test_what_cannot_be_cut_into_shards_is_refused(string_processing, found, lines_per_shard, message):
    with pytest.raises(WrongInput) as refusal:
        check_sharding(found, Path("a.txt"), string_processing.sharding, {"SPLIT_NUM": lines_per_shard}, LABEL)
    assert str(refusal.value) == message


@given(st.integers(0, 10**12), st.integers(1, 10**9), st.integers(1, 10**4))
def test_the_number_that_is_said_to_fit_fits_and_is_the_smallest(lines, lines_per_shard, max_shards):
    sharding = Sharding(lines_per_shard_parameter="N", max_shards=max_shards, max_line_bytes=1)
    found = Scan(bytes=lines, lines=lines, sha256="", long_line=None)
    try:
        assert check_sharding(found, Path("a"), sharding, {"N": lines_per_shard}, "N") <= max_shards
    except WrongInput as refusal:
        smallest = int(str(refusal).rpartition(" ")[2])
        assert check_sharding(found, Path("a"), sharding, {"N": smallest}, "N") <= max_shards
        assert count_shards(lines, smallest - 1) > max_shards
