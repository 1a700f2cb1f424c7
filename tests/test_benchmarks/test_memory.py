"""Memory of process trees, from a made-up /proc and from the real one."""

import os
import subprocess
import sys
import time

from benchmarks.memory import PAGE_KIB, Peaks, Sample, children_by_parent, folder_bytes, sampling, take_sample


def process(
    proc,
    pid,
    parent,
    *,
    pss=None,
    resident_pages=0,
    name="python",
    environ=b"",
    command=b"python\0-m\0hpc.local.emulator\0",
):
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "stat").write_text(f"{pid} ({name}) S {parent} {pid} {pid} 0 -1")
    (folder / "environ").write_bytes(environ)
    (folder / "cmdline").write_bytes(command)
    (folder / "statm").write_text(f"1000 {resident_pages} 1 1 0 1 0")
    if pss is not None:
        (folder / "smaps_rollup").write_text(
            f"00400000-7fff0000 ---p 0 00:00 0 [rollup]\nRss: 9999 kB\nPss: {pss} kB\n"
        )


def test_jobs_and_what_is_below_them_are_told_from_the_platform(tmp_path):
    process(tmp_path, 10, 1, pss=100)
    process(tmp_path, 11, 10, pss=20, name="a ) name (", environ=b"PATH=/bin\0NOT_AWS_BATCH_JOB_ID=x\0")
    process(tmp_path, 12, 10, pss=5, environ=b"PATH=/bin\0AWS_BATCH_JOB_ID=abc\0")
    process(tmp_path, 13, 12, pss=3)
    process(tmp_path, 99, 1, pss=7_000)
    (tmp_path / "self").mkdir()
    process(tmp_path, 14, 10, pss=4, command=b"/opt/weed\0server\0")
    process(tmp_path, 15, 14, pss=2, command=b"/usr/bin/python3.11\0-W\0ignore\0-c\0import runpy\0")
    process(tmp_path, 16, 10, pss=1, command=b"/usr/bin/python\0/opt/bin/gunicorn\0")
    parts = {"hpc.local.emulator": 120, "weed": 4, "functions": 2, "gunicorn": 1}
    assert take_sample(10, tmp_path) == Sample(platform_kib=127, jobs_kib=8, job_processes=2, parts=parts)


def test_resident_memory_counts_where_the_kernel_does_not_tell_the_proportional_one(tmp_path):
    process(tmp_path, 10, 1, resident_pages=25)
    assert take_sample(10, tmp_path).platform_kib == 25 * PAGE_KIB


def test_a_process_that_has_ended_takes_nothing(tmp_path):
    assert take_sample(10, tmp_path) == Sample()


def test_children_are_found_by_their_parent():
    assert children_by_parent({2: 1, 3: 1, 4: 2}) == {1: [2, 3], 2: [4]}


def test_the_peak_of_the_sum_is_of_one_moment():
    peaks = Peaks()
    for sample in (Sample(100, 10, 1, {"weed": 100}), Sample(20, 60, 2, {"weed": 20})):
        peaks.add(sample)
    assert peaks.parts == {"weed": 100}
    assert (peaks.platform_kib, peaks.jobs_kib, peaks.total_kib) == (100, 60, 110)
    assert (peaks.job_processes, peaks.samples) == (2, 2)


def test_a_real_process_is_sampled_with_its_children():
    child = "import sys; held = bytearray(40 * 2**20); print('ready', flush=True); sys.stdin.read()"
    environment = os.environ | {"AWS_BATCH_JOB_ID": "job"}
    command = [sys.executable, "-c", child]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as job:
        job.stdout.readline()
        with sampling(os.getpid(), interval_s=0.01) as peaks:
            deadline = time.monotonic() + 30
            while not peaks.samples and time.monotonic() < deadline:
                time.sleep(0.01)
        job.stdin.close()
    assert peaks.jobs_kib > 40 * 1024
    assert peaks.platform_kib > 0
    assert peaks.job_processes == 1


def test_the_size_of_a_folder_is_what_it_takes_on_disk(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_bytes(os.urandom(100_000))
    assert 100_000 <= folder_bytes(tmp_path) < 200_000
