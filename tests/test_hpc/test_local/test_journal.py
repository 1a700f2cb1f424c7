"""What is in the journal when the process that wrote it is gone."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from hpc.local.journal import Journal


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path / "journal.sqlite")
    yield made
    made.close()


def test_the_latest_of_each_is_given_back_in_the_order_of_writing(journal):
    journal.keep_execution("a", {"executionArn": "a", "status": "RUNNING"})
    journal.keep_execution("b", {"executionArn": "b", "status": "RUNNING"})
    journal.keep_execution("a", {"executionArn": "a", "status": "SUCCEEDED"})
    assert [(each["executionArn"], each["status"]) for each in journal.executions()] == [
        ("b", "RUNNING"),
        ("a", "SUCCEEDED"),
    ]


def test_a_deleted_row_is_known_as_deleted(journal):
    journal.keep_item("table", "RUN#1", "META", {"pk": {"S": "RUN#1"}})
    journal.keep_item("table", "RUN#2", "META", {"pk": {"S": "RUN#2"}})
    journal.keep_item("table", "RUN#1", "META", None)
    assert {(pk, item is None) for _, pk, _, item in journal.items()} == {("RUN#1", True), ("RUN#2", False)}


def test_kinds_with_the_same_key_do_not_disturb_each_other(journal):
    journal.keep_execution("same", {"executionArn": "same"})
    journal.keep_job({"job_id": "same"})
    assert (len(list(journal.executions())), len(list(journal.jobs()))) == (1, 1)


def test_log_lines_come_back_in_their_order(journal):
    for number in range(3):
        journal.keep_log_lines("group", "stream", [{"timestamp": number, "message": str(number)}])
    assert [events[0]["message"] for _, _, events in journal.log_lines()] == ["0", "1", "2"]


def test_what_is_written_while_the_state_is_being_saved_is_not_forgotten(journal):
    journal.keep_job({"job_id": "before"})
    position = journal.position()
    journal.keep_job({"job_id": "meanwhile"})
    journal.forget(position)
    assert [job["job_id"] for job in journal.jobs()] == ["meanwhile"]


def test_an_entry_written_again_while_the_state_is_being_saved_is_not_forgotten(journal):
    journal.keep_job({"job_id": "one", "status": "SUBMITTED"})
    position = journal.position()
    journal.keep_job({"job_id": "one", "status": "SUCCEEDED"})
    journal.forget(position)
    assert [job["status"] for job in journal.jobs()] == ["SUCCEEDED"]


def test_many_threads_write_at_once(journal):
    def write(thread: int) -> None:
        for number in range(50):
            journal.keep_job({"job_id": f"{thread}-{number}"})

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(journal.jobs())) == 400


WRITER = """
import sys
from pathlib import Path
from hpc.local.journal import Journal
journal = Journal(Path(sys.argv[1]))
number = 0
while True:
    journal.keep_job({"job_id": str(number)})
    print(number, flush=True)
    number += 1
"""


def test_all_that_was_acknowledged_is_there_after_kill_9(tmp_path):
    # Given a process that writes, and says what it has written
    command = [sys.executable, "-c", WRITER, str(tmp_path / "journal.sqlite")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(200):
            process.stdout.readline()
        # When it is killed
        process.send_signal(signal.SIGKILL)
        acknowledged = 200 + len(process.stdout.read().splitlines())
    # Then
    journal = Journal(tmp_path / "journal.sqlite")
    assert len(list(journal.jobs())) >= acknowledged
    journal.close()


def test_a_full_disk_is_told_and_costs_nothing_of_before(tmp_path):
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)); import signal; "
    limited += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    code = limited + WRITER.replace('{"job_id": str(number)}', '{"job_id": str(number), "text": "x" * 1000}')
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "journal.sqlite")], capture_output=True, text=True, check=False
    )
    assert "sqlite3.OperationalError" in ended.stderr
    written = len(ended.stdout.splitlines())
    assert written > 0
    journal = Journal(tmp_path / "journal.sqlite")
    assert len(list(journal.jobs())) >= written
    journal.close()


def test_a_file_that_is_no_journal_is_refused(tmp_path):
    (tmp_path / "journal.sqlite").write_text("something else, and long enough to be taken for a header" * 4)
    with pytest.raises(sqlite3.DatabaseError):
        Journal(tmp_path / "journal.sqlite")
