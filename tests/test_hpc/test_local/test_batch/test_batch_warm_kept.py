"""An image that keeps no state has one process for job after job, which is for each what a new one is."""

import itertools
import os
import signal
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hpc.local.batch.fork_server.job_process import JOBS_OF_A_PROCESS
from hpc.local.batch.process import start_cold
from tests.test_hpc.test_local.test_batch.warm_jobs import ADDRESS, WHAT_IT_SEES, Jobs

KEEPS = "KEEPS_NO_STATE = True\n"
LEFT_BEHIND = {
    "a failure": "sys.exit(1)",
    "a thread": "import threading; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    "a process": "import subprocess; subprocess.Popen(['sleep', '60'])",
    "an exit handler": "import atexit; atexit.register(print, 'at the end')",
    "another stream": "import io; sys.stdout = io.StringIO()",
    "a closed stream": "print('so far'); sys.stdout.close()",
}


@pytest.fixture
def keeping(jobs: Jobs) -> Jobs:
    """The image says of itself that it keeps no state."""
    jobs.write(KEEPS, "__init__.py")
    return jobs


def pids(jobs: Jobs) -> list[int]:
    return [process.pid for process in jobs.started]


def test_an_image_that_keeps_no_state_has_one_process_for_job_after_job(keeping: Jobs) -> None:
    seen = WHAT_IT_SEES.replace('sorted(os.listdir("/dev/fd")), ', "")
    keeping.write(textwrap.dedent(seen) + "print(os.environ.get('MINE'))\nos.environ['LEFT'] = 'x'\n")
    for mine in ("1", "2", "3"):
        cold = keeping.run(start_cold, mine, MINE=mine)
        assert ADDRESS.sub("", keeping.run(None, mine, MINE=mine)[1]) == ADDRESS.sub("", cold[1])
    assert len(set(pids(keeping)[1::2])) == 1
    keeping.write("", "__init__.py")
    assert keeping.run()[0].exit_code == keeping.run()[0].exit_code == 0
    assert len(set(pids(keeping)[-2:])) == 2, "another image does not say so"


def test_what_a_job_changes_is_as_it_was_for_the_next(keeping: Jobs) -> None:
    keeping.write(
        "import os, signal, sys, tempfile\n"
        "print(os.getcwd(), os.umask(0), tempfile.gettempdir(), sys.path[0], signal.getsignal(signal.SIGTERM))\n"
        "os.chdir('/'); sys.path.insert(0, '/none'); os.environ.clear(); signal.signal(signal.SIGTERM, print)\n"
    )
    folders = [keeping.scratch / name for name in "ab"]
    outputs = []
    for folder in folders:
        folder.mkdir()
        outputs.append(keeping.run(TMPDIR=str(folder))[1].split())
    assert [output[2] for output in outputs] == [str(folder) for folder in folders]
    assert [*outputs[0][:2], *outputs[0][3:]] == [*outputs[1][:2], *outputs[1][3:]]
    assert len(set(pids(keeping))) == 1


@pytest.mark.parametrize("left", sorted(LEFT_BEHIND))
def test_a_process_in_which_something_is_left_is_not_kept(keeping: Jobs, left: str) -> None:
    keeping.write(f"import os, sys, time\nprint('begins')\n{LEFT_BEHIND[left]}\n")
    cold, first, second = keeping.run(start_cold), keeping.run(), keeping.run()
    assert first == second == cold
    assert len(set(pids(keeping))) == 3


def test_a_process_is_not_kept_for_ever(keeping: Jobs) -> None:
    keeping.write("")
    for _ in range(JOBS_OF_A_PROCESS + 1):
        assert keeping.run()[0].exit_code == 0
    assert [len(list(group)) for _, group in itertools.groupby(pids(keeping))] == [JOBS_OF_A_PROCESS, 1]


def test_processes_that_are_kept_do_one_job_at_a_time(keeping: Jobs) -> None:
    keeping.write("import os, time\nfor _ in range(3):\n    print(os.environ['MINE'], flush=True); time.sleep(0.02)\n")

    def run_some(mine: str) -> list[str]:
        return [keeping.run(MINE=mine)[1] for _ in range(5)]

    with ThreadPoolExecutor(4) as threads:
        for mine, outputs in zip("abcd", threads.map(run_some, "abcd"), strict=True):
            assert outputs == [f"{mine}\n" * 3] * 5
    assert len(set(pids(keeping))) <= 4


def test_a_job_of_a_kept_process_can_be_stopped_and_its_name_is_its_own(keeping: Jobs) -> None:
    keeping.write("import os, time\nif 'WAIT' in os.environ:\n    print('waits', flush=True); time.sleep(60)\n")
    assert keeping.run()[0].exit_code == 0
    environ = Path(f"/proc/{pids(keeping)[0]}/environ")
    assert b"job-1" not in environ.read_bytes(), "it is nobody's between two jobs"
    stop, shown = threading.Event(), []

    def stop_it(_: bytes) -> None:
        shown.append(environ.read_bytes())
        stop.set()

    result, _ = keeping.run(WAIT="1", AWS_BATCH_JOB_ID="job-2", stop=stop, on_output=stop_it)
    assert (result.exit_code, result.stopped) == (128 + 15, True)
    assert b"AWS_BATCH_JOB_ID=job-2\0" in shown[0]
    assert keeping.run()[0].exit_code == 0
    assert [len(list(group)) for _, group in itertools.groupby(pids(keeping))] == [2, 1]


def test_a_kept_process_that_was_killed_costs_nobody_a_job(keeping: Jobs) -> None:
    keeping.write("print('done')")
    for _ in range(5):
        assert keeping.run()[1] == "done\n"
        os.kill(pids(keeping)[-1], signal.SIGKILL)
    assert len(set(pids(keeping))) == 5
