"""What the platform, a server and the processes of jobs say to each other."""

import contextlib
import os
import socket
import struct
from collections.abc import Sequence

LENGTH = struct.Struct("!I")
#: What a job's process and its server tell of it: started with this process id, ended with this exit code (of
#: subprocess's kind: negative for a signal); or ended with it while the process is kept for the image's next job.
REPORT = struct.Struct("!ci")
STARTED, ENDED, KEPT = b"s", b"e", b"k"


def send(receiver: socket.socket, payload: bytes, descriptors: Sequence[int] = ()) -> None:
    """Sends a message that `received` takes."""
    if descriptors:
        socket.send_fds(receiver, [LENGTH.pack(len(payload))], descriptors)
        receiver.sendall(payload)
    else:
        receiver.sendall(LENGTH.pack(len(payload)) + payload)


def received(sender: socket.socket) -> tuple[bytes, list[int]] | None:
    """A message and its descriptors; None when the sender has closed its end."""
    header, descriptors, _, _ = socket.recv_fds(sender, LENGTH.size, 2)
    if not header:
        return None
    [length] = LENGTH.unpack(header)
    return sender.recv(length, socket.MSG_WAITALL), descriptors


def report(descriptor: int, kind: bytes, number: int) -> None:
    """Tells the platform of a job, if anybody there still waits for it."""
    with contextlib.suppress(BrokenPipeError):
        os.write(descriptor, REPORT.pack(kind, number))
