"""A forked process is for its module what `python -m` is, and is not forked where it would not be."""

import itertools
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hpc.local.batch.fork_server.job_process import JOBS_OF_A_PROCESS
from hpc.local.batch.process import ProcessRequest, ProcessResult, RunningProcess, run_process, start_cold
from hpc.local.batch.warm import WarmStarter
from hpc.local.batch.warm_client import WarmProcess

Start = Callable[[ProcessRequest], RunningProcess]


class Jobs:
    """A folder with one image, `work`, whose code each test writes."""

    def __init__(self, folder: Path) -> None:
        self.jobs_dir = folder / "BatchJob"
        self.scratch = folder / "scratch"
        (self.jobs_dir / "work").mkdir(parents=True)
        self.scratch.mkdir()
        self.warm = WarmStarter(self.jobs_dir)
        self.started: list[RunningProcess] = []

    def write(self, text: str, name: str = "__main__.py") -> None:
        (self.jobs_dir / "work" / name).write_text(text)

    def run(self, start: Start | None = None, *arguments: str, **more: Any) -> tuple[ProcessResult, str]:
        """Runs the module to its end, forked unless `start` says otherwise."""
        stop, on_output = more.pop("stop", threading.Event()), more.pop("on_output", lambda _: None)
        output: list[bytes] = []

        def take(data: bytes) -> None:
            output.append(data)
            on_output(data)

        def starting(request: ProcessRequest) -> RunningProcess:
            self.started.append((start or self.warm.for_image("work"))(request))
            return self.started[-1]

        request = ProcessRequest(
            command=("python", "-m", "work", *arguments),
            environment=self.environment(**more),
            folder=self.scratch,
            timeout_s=30,
            kill_grace_s=2,
        )
        result = run_process(
            request,
            on_started=lambda: None,
            on_output=take,
            on_tick=lambda: None,
            should_stop=stop.is_set,
            start=starting,
        )
        return result, b"".join(output).decode()

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": str(self.jobs_dir),
            "HOME": str(self.scratch),
            "LANG": "C.UTF-8",
            "AWS_BATCH_JOB_ID": "job-1",
        } | more

    @property
    def was_forked(self) -> bool:
        return isinstance(self.started[-1], WarmProcess)

    def server_pid(self) -> int:
        [place] = self.warm._places.values()
        assert place.server is not None
        return place.server._process.pid


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    made = Jobs(tmp_path)
    yield made
    made.warm.close()


ADDRESS = re.compile(r"0x[0-9a-f]+")
SAME = {
    "what it sees": """
        import os, signal, stat, sys, resource, gc, threading
        print(__name__, __file__, __spec__.name, __package__, __builtins__.__name__, sorted(globals()))
        print(sys.argv, sys.orig_argv, sys.path, sys.executable, sys.flags, sys.warnoptions)
        print(sorted(os.environ.items()), os.getcwd(), os.umask(0o22))
        print(os.getpid() == os.getsid(0) == os.getpgid(0), sorted(os.listdir("/dev/fd")), os.read(0, 1), os.isatty(1))
        print({n: str(signal.getsignal(n)) for n in signal.valid_signals()}, signal.pthread_sigmask(0, []))
        print({n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT_")})
        print(sys.stdout.line_buffering, sys.stdout.encoding, sys.stdout.errors, sys.stderr.line_buffering)
        print(gc.isenabled(), gc.get_threshold(), threading.active_count(), threading.current_thread().name)
        print(sys.getswitchinterval(), sys.getrecursionlimit(), sys.modules["__main__"].__dict__ is globals())
        print([os.path.exists(name) for name in ("marker", "other")], stat.S_ISFIFO(os.fstat(1).st_mode))
    """,
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


def test_an_end_is_noticed_at_once(jobs: Jobs) -> None:
    jobs.write("print(1)")
    jobs.run()
    began = time.monotonic()
    for _ in range(10):
        jobs.run()
    assert time.monotonic() - began < 0.9  # a tick of run_process is 0.1 s


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
    seen = SAME["what it sees"].replace('sorted(os.listdir("/dev/fd")), ', "")
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
