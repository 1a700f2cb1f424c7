"""What forks have in common, and what is imported anew or run cold because they must not."""

import subprocess

import pytest

from hpc.local.batch.process import ProcessRequest, ProcessResult, start_cold
from hpc.local.batch.warm_client import WarmProcess
from tests.test_hpc.test_local.test_batch.warm_jobs import Jobs


def test_all_jobs_of_the_service_come_from_one_server(new_batch) -> None:
    """Whatever is each job's own in what the service gives it, botocore's imports do not see it."""
    batch = new_batch(warm=True)
    (batch.jobs_dir / "work" / "__main__.py").write_text("import os, boto3.session\nprint(os.getppid())")
    jobs = [
        batch.run("python", "-m", "work", containerOverrides={"environment": [{"name": "N", "value": n}]})
        for n in "123"
    ]
    [place] = batch.service._scheduler._runner._warm._places.values()
    assert place.server is not None
    assert [batch.log(job["container"]) for job in jobs] == [[str(place.server._process.pid)]] * 3


def test_no_server_has_a_job_s_keys(jobs: Jobs) -> None:
    jobs.write("import os\nprint(os.environ['AWS_SECRET_ACCESS_KEY'])")
    assert jobs.run(AWS_SECRET_ACCESS_KEY="of the first")[1] == "of the first\n"
    shown = subprocess.run(["ps", "eww", "-p", str(jobs.server_pid())], capture_output=True, text=True, check=True)
    assert "PYTHONPATH=" in shown.stdout
    assert "of the first" not in shown.stdout
    assert jobs.run(AWS_SECRET_ACCESS_KEY="of the second")[1] == "of the second\n"
    assert jobs.was_forked


def test_other_code_is_imported_anew(jobs: Jobs) -> None:
    jobs.write("from work.text import TEXT\nprint(TEXT)")
    jobs.write("TEXT = 'one'", "text.py")
    assert jobs.run()[1] == "one\n"
    jobs.write("TEXT = 'other'", "text.py")
    assert jobs.run()[1] == "other\n"
    assert jobs.was_forked


def test_code_that_the_image_would_not_have_is_not_kept(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody would notice that it was changed; and on AWS it would not be there."""
    shared = jobs.jobs_dir / "shared"
    shared.mkdir()
    jobs.write("import shared.text\nprint(shared.text.TEXT)")
    for text in ("one", "other"):
        (shared / "text.py").write_text(f"TEXT = '{text}'")
        assert jobs.run()[1] == f"{text}\n"
        assert not jobs.was_forked
    assert f"it imports {shared}/text.py, which its Dockerfile does not copy" in caplog.text
    jobs.write("COPY shared ./", "Dockerfile")
    for text in ("one more", "another"):
        (shared / "text.py").write_text(f"TEXT = '{text}'")
        assert jobs.run()[1] == f"{text}\n"
        assert jobs.was_forked


def test_nothing_but_imports_is_run_ahead(jobs: Jobs) -> None:
    jobs.write("import pathlib\npathlib.Path('runs').open('a').write('x')\nif True: print(__name__)")
    assert [jobs.run() for _ in range(2)] == [(ProcessResult(exit_code=0), "__main__\n")] * 2
    assert (jobs.scratch / "runs").read_text() == "xx"
    assert jobs.was_forked


@pytest.mark.parametrize(
    ("imported", "second_is_forked"),
    [
        ("VALUE = os.environ['N']", False),
        ("VALUE = os.getenv('N')", False),
        ("VALUE = dict(os.environ)['N']", False),
        ("os.environ['M'] = '1'\nVALUE = os.environ.get('M')", False),
        ("VALUE = os.environ.get('AWS_SECRET_ACCESS_KEY')", False),
        ("VALUE = os.environ['LANG']", True),
        ("VALUE = 'Q' in os.environ", True),
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(9,), daemon=True).start()\nVALUE=0", False),
        ("import sys\nVALUE = sys.argv", True),
    ],
)
def test_imports_that_see_what_is_each_job_s_own_are_not_shared(
    jobs: Jobs, imported: str, second_is_forked: bool
) -> None:
    jobs.write(f"import os\n{imported}", "value.py")
    jobs.write(
        "from work.value import VALUE\nprint(VALUE)" if "argv" not in imported else "import work.value\nprint(1)"
    )
    for number in ("1", "2"):
        given = {"N": number, "AWS_SECRET_ACCESS_KEY": f"secret {number}"}
        assert jobs.run(**given) == jobs.run(start_cold, **given)
        jobs.started.pop()
    assert jobs.was_forked == second_is_forked


def test_folders_may_differ_and_homes_may_not(jobs: Jobs) -> None:
    """botocore's import looks below HOME, and so does the interpreter before all imports."""
    jobs.write("import botocore.session, boto3.session, os\nprint(os.getcwd(), os.path.expanduser('~'))")
    for folder, home, is_forked in (("a", "/no", True), ("b", "/no", True), ("c", "/other", False)):
        jobs.scratch = jobs.scratch.with_name(folder)
        jobs.scratch.mkdir()
        assert jobs.run(HOME=home, TMPDIR=str(jobs.scratch))[1] == f"{jobs.scratch} {home}\n"
        assert jobs.was_forked == is_forked


@pytest.mark.parametrize("command", [("python", "-m", "other"), ("python", "-c", "print(1)"), ("sh", "-c", "echo 1")])
def test_other_commands_start_cold(jobs: Jobs, command: tuple[str, ...]) -> None:
    (jobs.jobs_dir / "other").mkdir()
    (jobs.jobs_dir / "other" / "__main__.py").write_text("print(1)")
    request = ProcessRequest(
        command=command, environment=jobs.environment(), folder=jobs.scratch, timeout_s=9, kill_grace_s=1
    )
    with jobs.warm.for_image("work")(request) as process:
        assert not isinstance(process, WarmProcess)
        assert process.stdout is not None
        assert process.stdout.read() == b"1\n"
        assert process.wait() == 0
