"""What becomes of jobs and of their server when one of them, or the platform, ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hpc.local.batch import warm, warm_client
from hpc.local.batch.process import ProcessRequest, RunningProcess
from hpc.local.batch.warm import WarmStarter
from hpc.local.batch.warm_client import WarmProcess

ONCE = """
import os, pathlib, time
print(os.getpid(), flush=True)
if os.environ["AWS_BATCH_JOB_ATTEMPT"] == "1":
    time.sleep(60)
"""
PLATFORM = """
import sys, time
from pathlib import Path
from hpc.local.batch.process import ProcessRequest
from hpc.local.batch.warm import WarmStarter
jobs_dir, scratch, path = sys.argv[1:]
environment = {"PATH": path, "PYTHONPATH": jobs_dir, "AWS_BATCH_JOB_ID": "job"}
request = ProcessRequest(
    command=("python", "-m", "work"), environment=environment, folder=Path(scratch), timeout_s=None, kill_grace_s=1
)
starter = WarmStarter(Path(jobs_dir))
processes = [starter.for_image("work")(request) for _ in range(2)]
[place] = starter._places.values()
print(place.server._process.pid, *(process.pid for process in processes), flush=True)
time.sleep(60)
"""


def eventually(condition: Callable[[], object], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def server_pid(starter: WarmStarter) -> int:
    pids = [place.server._process.pid for place in starter._places.values() if place.server is not None]
    assert len(pids) == 1
    return pids[0]


@pytest.fixture
def jobs_dir(tmp_path: Path) -> Path:
    (tmp_path / "jobs" / "work").mkdir(parents=True)
    (tmp_path / "jobs" / "work" / "__main__.py").write_text("import time\ntime.sleep(60)\n")
    return tmp_path / "jobs"


@pytest.fixture
def request_(jobs_dir: Path, tmp_path: Path) -> ProcessRequest:
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": str(jobs_dir),
        "AWS_BATCH_JOB_ID": "job",
    }
    return ProcessRequest(
        command=("python", "-m", "work"), environment=environment, folder=tmp_path, timeout_s=None, kill_grace_s=1
    )


@pytest.fixture
def starter(jobs_dir: Path) -> Iterator[WarmStarter]:
    made = WarmStarter(jobs_dir)
    yield made
    made.close()


def end(process: RunningProcess) -> int:
    with process:
        os.killpg(process.pid, signal.SIGKILL)
        return process.wait(5)


def test_a_job_whose_server_dies_counts_as_a_lost_instance_and_is_tried_again(new_batch, is_alive) -> None:
    batch = new_batch(warm=True)
    (batch.jobs_dir / "work" / "__main__.py").write_text(ONCE)
    job_id = batch.submit(batch.define("work", "python", "-m", "work"), retryStrategy={"attempts": 3})
    batch.wait(job_id, ("RUNNING",))
    starter = batch.service._scheduler._runner._warm
    eventually(lambda: batch.log(batch.describe(job_id)["container"]))
    first = server_pid(starter)
    os.kill(first, signal.SIGKILL)
    job = batch.wait(job_id)
    assert job["status"] == "SUCCEEDED"
    lost, done = job["attempts"]
    assert lost["statusReason"].startswith("Host EC2 (instance i-")
    assert lost["statusReason"].endswith(" terminated.")
    assert "exitCode" not in lost["container"]
    assert done["container"]["exitCode"] == 0
    assert not is_alive(int(batch.log(lost)[0]))
    assert server_pid(starter) != first


def test_a_job_that_is_stopped_while_its_server_dies_is_not_tried_again(new_batch) -> None:
    batch = new_batch(warm=True)
    (batch.jobs_dir / "work" / "__main__.py").write_text(
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(1, flush=True)\ntime.sleep(60)\n"
    )
    job_id = batch.submit(batch.define("work", "python", "-m", "work"), retryStrategy={"attempts": 3})
    eventually(lambda: batch.log(batch.wait(job_id, ("RUNNING",))["container"]))
    batch.client.terminate_job(jobId=job_id, reason="enough")
    time.sleep(0.3)
    os.kill(server_pid(batch.service._scheduler._runner._warm), signal.SIGKILL)
    job = batch.wait(job_id)
    assert (job["status"], len(job["attempts"])) == ("FAILED", 1)


def test_the_service_s_end_ends_its_servers(new_batch, is_alive) -> None:
    batch = new_batch(warm=True)
    (batch.jobs_dir / "work" / "__main__.py").write_text("print(1)")
    assert batch.run("python", "-m", "work")["status"] == "SUCCEEDED"
    pid = server_pid(batch.service._scheduler._runner._warm)
    assert is_alive(pid)
    batch.service.stop()
    assert not is_alive(pid)


def test_without_warm_jobs_there_is_no_server(new_batch) -> None:
    batch = new_batch(warm=False)
    (batch.jobs_dir / "work" / "__main__.py").write_text("import sys\nsys.exit(3)")
    assert batch.run("python", "-m", "work")["container"]["exitCode"] == 3
    assert batch.service._scheduler._runner._warm is None


def test_the_death_of_the_platform_ends_servers_and_jobs(jobs_dir, tmp_path, is_alive) -> None:
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    platform = subprocess.Popen(
        [sys.executable, "-c", PLATFORM, str(jobs_dir), str(tmp_path), path], stdout=subprocess.PIPE, text=True
    )
    try:
        assert platform.stdout is not None
        pids = [int(word) for word in platform.stdout.readline().split()]
        assert len(pids) == 3
        assert all(is_alive(pid) for pid in pids)
    finally:
        platform.kill()
        platform.communicate()
    eventually(lambda: not any(is_alive(pid) for pid in pids))


def test_after_the_end_jobs_start_cold(starter, request_) -> None:
    end(starter.for_image("work")(request_))
    starter.close()
    process = starter.for_image("work")(request_)
    assert not isinstance(process, WarmProcess)
    end(process)


def test_a_server_that_ended_between_two_jobs_is_replaced(starter, request_) -> None:
    end(starter.for_image("work")(request_))
    first = server_pid(starter)
    os.kill(first, signal.SIGKILL)
    process = starter.for_image("work")(request_)
    assert isinstance(process, WarmProcess)
    assert end(process) == -signal.SIGKILL
    assert not process.is_lost
    assert server_pid(starter) != first


def test_a_server_that_hangs_is_ended_and_replaced(starter, request_, monkeypatch, is_alive) -> None:
    monkeypatch.setattr(warm_client, "_FORK_TIMEOUT_S", 0.3)
    monkeypatch.setattr(warm_client, "_END_TIMEOUT_S", 0.1)
    end(starter.for_image("work")(request_))
    first = server_pid(starter)
    os.kill(first, signal.SIGSTOP)
    process = starter.for_image("work")(request_)
    assert isinstance(process, WarmProcess)
    end(process)
    assert not is_alive(first)


def test_an_idle_server_ends_and_a_busy_one_does_not(jobs_dir, request_, is_alive) -> None:
    starter = WarmStarter(jobs_dir, idle_s=0.3)
    process = starter.for_image("work")(request_)
    pid = server_pid(starter)
    time.sleep(0.6)
    assert is_alive(pid)
    end(process)
    eventually(lambda: not is_alive(pid))
    again = starter.for_image("work")(request_)
    assert isinstance(again, WarmProcess)
    end(again)
    starter.close()


def test_servers_of_changed_code_are_forgotten_when_they_have_ended(jobs_dir, request_, is_alive) -> None:
    starter = WarmStarter(jobs_dir, idle_s=0.2)
    for number in range(3):
        (jobs_dir / "work" / "__main__.py").write_text(f"x = {number}\n")
        process = starter.for_image("work")(request_)
        pid = server_pid(starter)
        with process:
            assert process.wait(5) == 0
        eventually(lambda pid=pid: not is_alive(pid))
    starter.close()


def test_what_cannot_be_warm_is_told_once_and_tried_again_later(
    starter, request_, jobs_dir, caplog, monkeypatch
) -> None:
    (jobs_dir / "work" / "__main__.py").write_text("import no_such_module\n")
    for _ in range(3):
        with starter.for_image("work")(request_) as process:
            assert not isinstance(process, WarmProcess)
            assert process.wait(5) == 1
    assert len(caplog.records) == 1
    assert "work is started cold for 60 s: its imports fail: ModuleNotFoundError: No module" in caplog.text
    monkeypatch.setattr(warm, "_COLD_FOR_S", 0.0)
    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with starter.for_image("work")(request_) as process:
        process.wait(5)
    assert len(caplog.records) == 2


def test_no_open_files_are_left_behind(starter, request_, jobs_dir) -> None:
    (jobs_dir / "work" / "__main__.py").write_text("import os\nprint(os.listdir('/dev/fd'))\n")

    def run() -> tuple[bytes, int]:
        with starter.for_image("work")(request_) as process:
            assert process.stdout is not None
            seen = process.stdout.read()
            process.wait()
        return seen, len(list(Path("/dev/fd").iterdir()))

    first = run()
    assert [run() for _ in range(5)] == [first] * 5


def test_the_server_s_folder_hides_no_module_of_python() -> None:
    """It is the first place that a script's imports are looked for."""
    folder = Path(warm_client.__file__).parent
    assert not {path.stem for path in folder.iterdir()} & set(sys.stdlib_module_names)
