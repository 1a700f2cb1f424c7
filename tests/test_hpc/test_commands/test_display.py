"""What people read."""

import doctest
import io
from pathlib import Path

import pytest
from rich.console import Console

from hpc import wording
from hpc.commands import cost_display, display
from hpc.results import Result
from hpc.run import Run
from hpc.tasks import StepCount, Task

PARAMETERS = {"ProjectNo": "P1", "INPUT_BUCKET": "in", "INPUT_KEY": "uploads/[red]a.txt", "OUTPUT_BUCKET": "out"}


@pytest.fixture(autouse=True)
def hpc_on_the_path(monkeypatch):
    monkeypatch.setattr(display.shutil, "which", lambda name: f"/usr/bin/{name}")


def run(**changes):
    return Run(
        **{
            "run_id": "20260131-093000-1a2b3c",
            "workflow": "string_processing",
            "project": "P1",
            "status": "RUNNING",
            "created_at": "2026-01-31T09:30:00.123Z",
            "started_at": "2026-01-31T09:30:01.000Z",
            "parameters": PARAMETERS,
        }
        | changes
    )


def text_of(*renderables):
    output = io.StringIO()
    Console(file=output, width=160).print(*renderables)
    return [line.rstrip() for line in output.getvalue().splitlines()]


@pytest.mark.parametrize("module", [display, cost_display, wording])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module).failed == 0


def test_runs_stand_in_lines():
    ended = run(status="FAILED", stopped_at="2026-01-31T09:31:16Z", reasons=("line 3 is \x1b[1m too long", "more"))
    lines = text_of(display.runs_table([ended]))
    assert lines[0].split() == ["RUN", "WORKFLOW", "PROJECT", "STATUS", "CREATED", "(UTC)", "TIME", "REASON"]
    assert " ".join(lines[1].split()) == (
        r"20260131-093000-1a2b3c string_processing P1 FAILED 2026-01-31 09:30:00 1 min 15 s line 3 is \x1b[1m too long"
    )


def test_a_failed_run_says_why_and_what_next(string_processing):
    ended = run(
        status="FAILED", stopped_at="2026-01-31T09:30:10Z", reasons=("String_Repeat-3: no output",), reason_count=25
    )
    counts = [
        StepCount("String_Split", "Split into shards", total=1, succeeded=1, failed=0, running=0),
        StepCount("String_Repeat", "Repeat lines", total=None, succeeded=3, failed=1, running=2),
    ]
    failure = Task("String_Repeat", 3, "FAILED", attempts=2, reason="[bold]exit code 1", job_id="j", log_stream="l")
    lines = text_of(display.run_overview(ended, string_processing, counts, [failure]))
    assert lines[0] == "Run 20260131-093000-1a2b3c  FAILED  String processing, project P1"
    assert lines[1] == "Created 2026-01-31 09:30:00 UTC, 9.0 s"
    assert [lines[4].split()[:5], lines[4].split()[-1]] == [
        ["Split", "into", "shards", "String_Split", "1/1"],
        "━" * 20,
    ]
    assert lines[5].split()[:4] == ["Repeat", "lines", "String_Repeat", "3/?"]
    assert lines[5].split()[-2:] == ["2", "1"]
    assert lines[7:] == [
        "Why:",
        "  String_Repeat-3: no output",
        "  and 24 more",
        "",
        "Failed tasks:",
        "  String_Repeat-3 (2 attempts): [bold]exit code 1",
        "",
        "Input:   s3://in/uploads/[red]a.txt",
        "",
        "Next:",
        "  hpc logs 20260131-093000-1a2b3c String_Repeat-3",
        "  hpc resume 20260131-093000-1a2b3c   (continues it, with what is missing only)",
        "  hpc show 20260131-093000-1a2b3c --json",
    ]


def test_many_failures_are_cut(string_processing):
    failures = [Task("S", index, "FAILED") for index in range(25)]
    lines = text_of(display.run_overview(run(status="FAILED"), string_processing, [], failures))
    assert "  S-9 (0 attempts):" in lines
    assert "  S-10 (0 attempts):" not in lines
    assert "  and 15 more" in lines


def test_a_succeeded_run_says_where_the_results_are(string_processing):
    lines = text_of(display.run_overview(run(status="SUCCEEDED"), string_processing, [], []))
    assert "Results: s3://out/result/P1/String_Repeat_Merge/repeat_[red]a.txt_merge" in lines
    assert "  hpc results 20260131-093000-1a2b3c -o DIR" in lines


def test_a_going_run_can_be_watched_and_cancelled():
    assert display.next_commands(run(), []) == [
        "hpc show 20260131-093000-1a2b3c --watch",
        "hpc logs 20260131-093000-1a2b3c",
        "hpc cancel 20260131-093000-1a2b3c",
    ]


def test_results():
    results = [
        Result("repeat", "Twice", Path("out/a"), bytes=1_234_567, lines=100_000, first_line="abcabc"),
        Result("reverse", "Backwards", Path("out/b"), bytes=0, lines=None, first_line=""),
    ]
    assert display.result_lines(results) == [
        "Twice: out/a",
        "  1,234,567 bytes, 100,000 lines",
        "  first line: abcabc",
        "Backwards: out/b",
        "  0 bytes",
    ]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"started_at": ""}, ""),
        ({"stopped_at": "2026-01-31T09:30:01Z"}, "0.0 s"),
        ({"stopped_at": "2026-01-31T11:30:01Z"}, "2 h 0 min"),
        ({"started_at": "", "stopped_at": "2026-01-31T11:30:01Z"}, "0.0 s"),
    ],
)
def test_duration(changes, text):
    assert display.duration(run(**changes)) == text


def test_a_person_without_hpc_on_the_path_gets_its_path(monkeypatch, tmp_path):
    monkeypatch.setattr(display.shutil, "which", lambda name: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "hpc").touch()
    monkeypatch.setattr(display.sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    assert display.program() == ".venv/bin/hpc"
