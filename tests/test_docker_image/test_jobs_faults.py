"""Jobs whose connection or time ends in the middle, and the memory that they need."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

MIB = 1024 * 1024
LINE = b"0123456789" * 11 + b"\n"
TEXT = LINE * (40 * MIB // len(LINE))

# Streams text through a job's transformation as the job does, and prints the peak of resident memory in MiB.
MEMORY = """
import resource
from pathlib import Path
from hpc_job.text import Measure, measured, whole_lines
from string_repeat.repeat import repeat_lines
from string_reverse.reverse import reverse_lines

def chunks():
    for _ in range({chunks}):
        yield ({line}) * (1024 * 1024 // len({line}))
    yield b"\\n"

for transform in (repeat_lines, reverse_lines):
    source, output = Measure(), Measure()
    for piece in transform(whole_lines(measured(chunks(), source), "text")):
        output.update(piece)
    assert output.lines == source.lines
status = Path("/proc/self/status")
if status.exists():  # on Linux the peak of getrusage includes that of the process that started this one
    print(int(status.read_text().partition("VmHWM:")[2].split()[0]) // 1024)
else:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 // 1024)
"""


class Proxy:
    """Hands connections on to the S3 server; `disturb` is called when a connection has brought `after_bytes`."""

    def __init__(self, server: tuple[str, int], after_bytes: int, disturb: Callable[[socket.socket], None]) -> None:
        self._server = server
        self._after_bytes = after_bytes
        self._disturb = disturb
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                threading.Thread(target=self._pump, args=(client, server, None), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client, self._after_bytes), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, disturb_after: int | None) -> None:
        brought = 0
        with contextlib.suppress(OSError):
            while data := source.recv(256 * 1024):
                target.sendall(data)
                brought += len(data)
                if disturb_after is not None and brought > disturb_after:
                    self._disturb(target)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(stage) -> Iterator[Callable[[int, Callable[[socket.socket], None]], Proxy]]:
    opened: list[Proxy] = []

    def open_proxy(after_bytes: int, disturb: Callable[[socket.socket], None]) -> Proxy:
        port = int(stage.endpoint_url.rpartition(":")[2])
        opened.append(Proxy(("127.0.0.1", port), after_bytes, disturb))
        return opened[-1]

    yield open_proxy
    for one in opened:
        one.close()


def wait_until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline, "waited 30 s"
        time.sleep(0.02)


def test_a_lost_connection_does_not_fail_a_job(run, proxy) -> None:
    cut = threading.Event()

    def cut_once(connection: socket.socket) -> None:
        if not cut.is_set():
            cut.set()
            connection.shutdown(socket.SHUT_RDWR)

    run.stage.put(run.key("String_Split", "lines.txt_00000"), TEXT)
    run.shard("reverse", 0, AWS_ENDPOINT_URL=proxy(10 * MIB, cut_once).url)
    assert cut.is_set()
    expected = (LINE[-2::-1] + b"\n") * (len(TEXT) // len(LINE))
    assert run.stage.get(run.key("String_Reverse", "reverse_lines.txt_00000")) == expected


def test_sigterm_aborts_the_upload_and_ends_the_job_at_once(run, proxy) -> None:
    stalled, released = threading.Event(), threading.Event()

    def stall(_: socket.socket) -> None:
        stalled.set()
        released.wait(60)

    run.stage.put(run.key("String_Split", "lines.txt_00000"), TEXT)
    process = run.stage.start(
        "string_repeat", **run.shard_variables("repeat", 0), AWS_ENDPOINT_URL=proxy(30 * MIB, stall).url
    )
    try:
        assert stalled.wait(30)
        wait_until(run.stage.unfinished_uploads)
        began = time.monotonic()
        process.terminate()
        _, message = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
        released.set()
    assert time.monotonic() - began < 10
    assert process.returncode == 1
    assert message == (
        "stopped by SIGTERM before it was done "
        "(the run was cancelled, the job timed out or its instance was reclaimed)\n"
    )
    assert run.stage.unfinished_uploads() == []
    assert run.stage.listing(f"result/{run.project}/String_Repeat/") == []
    record = run.record("String_Repeat/lines.txt_00000.failed.json")
    assert (record["exit_code"], record["permanent"], record["reason"]) == (1, False, message.removesuffix("\n"))


@pytest.mark.parametrize(
    ("line", "chunks", "limit_mib"),
    [
        pytest.param('b"0123456789" * 11 + b"\\n"', 200, 60, id="200 MiB of ordinary lines"),
        pytest.param('b"a\\n"', 8, 160, id="the shortest lines"),
        pytest.param('"\\U0001f9ec".encode()', 63, 200, id="one line of 63 MiB of the widest characters"),
    ],
)
def test_memory_does_not_grow_with_the_input(stage, line: str, chunks: int, limit_mib: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", MEMORY.format(line=line, chunks=chunks)],
        env=stage.environment("string_repeat"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    print(ended.stdout)
    assert int(ended.stdout) < limit_mib
