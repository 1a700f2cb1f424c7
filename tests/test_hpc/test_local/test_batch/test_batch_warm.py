"""A forked process is for its module what `python -m` is."""

import threading
import time
from pathlib import Path

import pytest

from hpc.local.batch.process import ProcessResult, start_cold
from hpc.local.batch.warm_client import WarmProcess
from tests.test_hpc.test_local.test_batch.warm_jobs import ADDRESS, WHAT_IT_SEES, Jobs

SAME = {
    "what it sees": WHAT_IT_SEES,
    "both streams": "import sys\nfor n in range(300): print('out', n); print('err', n, file=sys.stderr)",
    "no line end": "import sys; sys.stdout.write('a'); sys.stderr.write('b')",
    "raw bytes": "import os; os.write(1, b'x' * 300_000); os.write(2, bytes(range(128)))",
    "exit code": "import sys; sys.exit(3)",
    "large exit code": "import sys; sys.exit(259)",
    "exit without code": "import sys; print('x'); sys.exit()",
    "exit with a text": "import sys; print('x'); sys.exit('went wrong')",
    "exit with False": "import sys; sys.exit(False)",
    "immediate exit": "import os; print('lost'); os._exit(5)",
    "exception": "def f(): raise ValueError('no')\ntry: f()\nexcept ValueError as e: raise KeyError('x') from e",
    "syntax error": "import sys\nprint('x'",
    "import error": "import os\nif os: import no_such_module",
    "interrupt": "print('x')\nraise KeyboardInterrupt",
    "own signal": "import os; print('x', flush=True); os.kill(os.getpid(), 15)",
    "kill": "import os; os.kill(os.getpid(), 9)",
    "exit handlers": "import atexit, sys; atexit.register(lambda: print('handler')); print('x'); sys.exit(4)",
    "failing exit handler": "import atexit; atexit.register(lambda: 1 / 0)",
    "threads are waited for": """
        import threading, time
        def late(): time.sleep(0.2); print("late")
        threading.Thread(target=late).start()
        print("main")
    """,
    "pools are ended": """
        from concurrent.futures import ThreadPoolExecutor
        import time
        pool = ThreadPoolExecutor(2)
        for n in range(3): pool.submit(lambda n=n: (time.sleep(0.1 * n), print(n)))
    """,
    "daemon threads are not": """
        import threading, time
        threading.Thread(target=lambda: time.sleep(60), daemon=True).start()
    """,
    "closed stdout": "import sys; print('x', flush=True); sys.stdout.close()",
    "lost stdout": "import os; print('x'); os.close(1)",
    "processes": """
        import math, multiprocessing, os, subprocess, sys
        def work(n): return n * n, os.environ["AWS_BATCH_JOB_ID"]
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(2) as pool: print(pool.map(work, range(3)))
            with multiprocessing.get_context("spawn").Pool(2) as pool: print(pool.map(math.sqrt, range(3)))
            print(subprocess.run(["sh", "-c", "echo $AWS_BATCH_JOB_ID; exit 3"], stdout=subprocess.PIPE))
    """,
}


@pytest.mark.parametrize("name", SAME)
def test_a_fork_does_what_the_command_does(jobs: Jobs, name: str) -> None:
    lines = SAME[name].splitlines()
    jobs.write("\n".join(line.removeprefix("        ") for line in lines) + "\n")
    (cold, told), (warm, told_warm) = (jobs.run(start, "one", "-two") for start in (start_cold, None))
    assert warm == cold
    assert ADDRESS.sub("", told_warm) == ADDRESS.sub("", told)
    assert jobs.was_forked == (name not in ("syntax error",))


def test_random_numbers_and_temporary_names_differ_between_forks(jobs: Jobs) -> None:
    jobs.write(
        "import random, uuid, os, tempfile\nprint(random.random(), uuid.uuid4(), os.urandom(4), tempfile.mktemp())"
    )
    texts = [jobs.run()[1] for _ in range(3)]
    for values in zip(*(text.split() for text in texts), strict=True):
        assert len(set(values)) == 3


def test_many_at_once_are_kept_apart(jobs: Jobs) -> None:
    jobs.write(
        "import os, sys, time\nprint(os.environ['N'], flush=True); time.sleep(0.1); sys.exit(int(os.environ['N']))"
    )
    results: dict[int, tuple[ProcessResult, str]] = {}

    def run(number: int) -> None:
        results[number] = jobs.run(N=str(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: (ProcessResult(exit_code=number), f"{number}\n") for number in range(16)}
    assert all(isinstance(process, WarmProcess) for process in jobs.started)
    jobs.server_pid()  # there is one


def test_sigterm_and_sigkill_reach_the_whole_group(jobs: Jobs, is_alive) -> None:
    jobs.write(
        "import os, signal, subprocess, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: os.write(1, b'TERM'))\n"
        "print(subprocess.Popen(['sh', '-c', 'trap \"\" TERM; sleep 60 & wait; wait']).pid, flush=True)\n"
        "while True: time.sleep(1)\n"
    )
    stop = threading.Event()
    result, text = jobs.run(stop=stop, on_output=lambda _: stop.set())
    assert result == ProcessResult(exit_code=137, stopped=True)
    child, *rest = text.split()
    assert rest == ["TERM"]
    assert not is_alive(int(child))


def test_what_a_fork_leaves_in_a_session_of_its_own_ends_with_it(new_batch, is_alive) -> None:
    """It has its server's variables in /proc, unless the job's id is put there."""
    batch = new_batch(warm=True)
    leave = "os.setsid()" if Path("/proc").is_dir() else "pass"
    (batch.jobs_dir / "work" / "__main__.py").write_text(
        f"import os, time\nif (pid := os.fork()) == 0:\n    {leave}\n    time.sleep(60)\ntime.sleep(0.2)\nprint(pid)\n"
    )
    job = batch.run("python", "-m", "work")
    assert job["status"] == "SUCCEEDED"
    [place] = batch.service._scheduler._runner._warm._places.values()
    assert place.server is not None
    assert not is_alive(int(batch.log(job["container"])[0]))


@pytest.mark.parametrize(
    "variable", ["PYTHONHASHSEED=0", "PYTHONUNBUFFERED=1", "LC_ALL=C", "TZ=Asia/Tokyo", "OMP_NUM_THREADS=1"]
)
def test_what_the_interpreter_reads_at_its_start_is_in_force(jobs: Jobs, variable: str) -> None:
    jobs.write(
        "import sys, time, os\n"
        "print(hash('a') if 'PYTHONHASHSEED' in os.environ else 0, sys.flags, sys.stdout.encoding, time.tzname)\n"
        "print('out'); print('err', file=sys.stderr)"
    )
    plain = jobs.run()
    name, value = variable.split("=")
    changed = jobs.run(**{name: value})
    assert jobs.was_forked
    assert changed == jobs.run(start_cold, **{name: value})
    assert plain == jobs.run(start_cold)


def test_an_end_is_noticed_at_once(jobs: Jobs) -> None:
    jobs.write("print(1)")
    jobs.run()
    began = time.monotonic()
    for _ in range(10):
        jobs.run()
    assert time.monotonic() - began < 0.9  # a tick of run_process is 0.1 s
