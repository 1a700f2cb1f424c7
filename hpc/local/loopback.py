"""Ports of 127.0.0.1, and whether somebody answers on them."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException

_TIMEOUT_S = 5
# No proxy of the person's knows this machine's loopback.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def is_free(port: int) -> bool:
    """Whether nobody listens on a port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(wanted: int | None = None) -> int:
    """The wanted port, or another one that is free now."""
    if wanted is not None and is_free(wanted):
        return wanted
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    """Whether a GET is answered with 200 within 5 s."""
    try:
        with _DIRECT.open(url, timeout=_TIMEOUT_S) as answer:
            return bool(answer.status == 200)
    except (OSError, HTTPException):  # the latter when what listens there does not speak HTTP
        return False


def wait_until_it_answers(url: str, *, within_s: float, has_ended: Callable[[], bool] = lambda: False) -> bool:
    """False when a GET is not answered with 200 in time, or the process that should do it has ended."""
    give_up_at = time.monotonic() + within_s
    while time.monotonic() < give_up_at and not has_ended():
        if answers(url):
            return True
        time.sleep(0.1)
    return False
