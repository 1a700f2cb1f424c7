"""What the bench has other tools do, on a small text: plans, their results, and how they end."""

import os
import subprocess
import sys
import time

import pytest

from benchmarks.tools import TOOLS, Unavailable, on_path, run, shard_commands, shard_names, snakefile


def test_shards_are_named_as_split_names_them():
    assert shard_names(3) == ["00000", "00001", "00002"]


def test_each_shard_has_two_jobs():
    assert shard_commands(1) == ["sed 's/.*/&&/' shards/00000 > repeat/00000", "rev shards/00000 > reverse/00000"]


@pytest.fixture
def rev(tmp_path_factory, monkeypatch):
    """A `rev` for machines that have none."""
    folder = tmp_path_factory.mktemp("bin")
    program = "import sys\nfor line in open(sys.argv[1]):\n    print(line[-2::-1])\n"
    (folder / "rev").write_text(f"#!{sys.executable}\n{program}")
    (folder / "rev").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.mark.usefixtures("rev")
def test_the_plan_for_make_does_the_whole_workflow(tmp_path):
    for made in ("shards", "repeat", "reverse", "results"):
        (tmp_path / made).mkdir()
    (tmp_path / "input").write_text("ab\ncde\nf\n")
    tool = TOOLS["make"]
    tool.write_plan(tmp_path, 2, 2)
    tool.run(tool.program(), tmp_path, 60)
    assert (tmp_path / "results" / "repeat").read_text() == "abab\ncdecde\nff\n"
    assert (tmp_path / "results" / "reverse").read_text() == "ba\nedc\nf\n"
    assert sorted(path.name for path in (tmp_path / "repeat").iterdir()) == shard_names(2)


def test_the_script_for_parallel_has_a_command_for_each_job(tmp_path):
    TOOLS["parallel"].write_plan(tmp_path, 2, 2)
    assert (tmp_path / "jobs").read_text().splitlines() == shard_commands(2)
    subprocess.run(["bash", "-n", "script"], cwd=tmp_path, check=True)


def test_the_plan_for_snakemake_names_every_shard():
    plan = snakefile(2, 2)
    assert 'SHARDS = [f"{number:05d}" for number in range(2)]' in plan
    assert "--lines=2 input shards/" in plan


def test_a_tool_that_is_not_there_is_told_with_how_to_get_it():
    with pytest.raises(Unavailable, match="no-such-program is not on this machine; get it: apt-get install it"):
        on_path("no-such-program", "apt-get install it")


def test_a_tool_that_is_not_done_in_time_leaves_no_process(tmp_path):
    late = tmp_path / "late"
    with pytest.raises(subprocess.TimeoutExpired):
        run(["bash", "-c", f"(sleep 1; touch {late}) & wait"], tmp_path, 0.2)
    time.sleep(1.2)
    assert not late.exists()


def test_a_tool_that_fails_is_an_error_that_shows_what_it_said(tmp_path, capsys):
    with pytest.raises(subprocess.CalledProcessError):
        run(["bash", "-c", "echo why; exit 3"], tmp_path, 10)
    assert "why" in capsys.readouterr().err
