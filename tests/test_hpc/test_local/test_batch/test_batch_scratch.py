"""Scratch folders: empty when taken, one for each who has one, and gone at the end."""

import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from hpc.local.batch.scratch import ScratchFolders
from hpc.local.batch.strays import end_processes_with, last_process_id


@pytest.fixture
def folders(tmp_path):
    return ScratchFolders(tmp_path / "scratch")


def test_who_takes_one_at_the_same_time_gets_another(folders):
    first, second = folders.take(), folders.take()
    assert first != second
    assert list(first.iterdir()) == list(second.iterdir()) == []


def test_an_empty_one_is_used_again_and_another_is_removed(folders):
    first, second = folders.take(), folders.take()
    (second / "left").write_text("x")
    folders.give_back(first)
    folders.give_back(second)
    assert not second.exists()
    assert folders.take() == first


def test_what_was_written_into_it_meanwhile_is_not_handed_on(folders):
    folder = folders.take()
    folders.give_back(folder)
    (folder / "late").write_text("x")
    assert list(folders.take().iterdir()) == []


def test_one_that_a_job_closed_opened_or_replaced_is_not_used_again(folders):
    for spoil in (lambda path: path.chmod(0o500), lambda path: path.chmod(0o777), lambda path: path.rmdir()):
        folder = folders.take()
        spoil(folder)
        folders.give_back(folder)
        assert not folder.exists()


def test_close_removes_them_all(folders, tmp_path):
    for folder in [folders.take(), folders.take()]:
        folders.give_back(folder)
    folders.close()
    assert list((tmp_path / "scratch").iterdir()) == []


def test_attempts_one_after_the_other_find_an_empty_folder(new_batch):
    batch = new_batch(vcpus=1)
    definition = batch.define("work", "sh", "-c", "ls -A . ; touch x; mkdir y; pwd")
    jobs = [batch.wait(batch.submit(definition)) for _ in range(3)]
    logs = [batch.log(job["container"]) for job in jobs]
    assert [len(lines) for lines in logs] == [1, 1, 1]


@contextmanager
def stray(value):
    """A process with STRAY_TEST in its environment, which can be read."""
    with subprocess.Popen(["sleep", "60"], env={**os.environ, "STRAY_TEST": value}) as process:
        environment = Path(f"/proc/{process.pid}/environ")
        while b"STRAY_TEST" not in environment.read_bytes():  # it has not quite started
            time.sleep(0.001)
        yield process
        process.kill()


@pytest.mark.parametrize("newer_than", [0, 10**9], ids=["all", "ids have begun anew"])
def test_all_processes_are_looked_at_when_age_says_nothing(newer_than):
    with stray("old") as process:
        assert end_processes_with("STRAY_TEST", "old", newer_than=newer_than) >= 1
        assert process.wait(5) == -9


@pytest.mark.parametrize("few", [10**7, 0], ids=["one by one", "from a list"])
def test_only_processes_newer_than_a_moment_are_looked_at(monkeypatch, few):
    # Given two processes, and a moment between them; which one is newer is what their ids say
    with stray("here") as one, stray("here") as other:
        older, newer = sorted((one, other), key=lambda process: process.pid)
        monkeypatch.setattr("hpc.local.batch.strays._FEW", few)
        monkeypatch.setattr("hpc.local.batch.strays.last_process_id", lambda: newer.pid)
        assert end_processes_with("STRAY_TEST", "here", newer_than=newer.pid) == 0
        assert end_processes_with("STRAY_TEST", "here", newer_than=older.pid) >= 1
        assert newer.wait(5) == -9
        assert older.poll() is None


def test_the_last_process_id_is_known():
    with stray("any") as process:
        handed_out = last_process_id() - process.pid
        assert handed_out >= 0 or handed_out < -1000  # ids may have begun anew meanwhile
