"""The page on a person's machine, for a stack in an AWS account: its settings, and the process that serves it.

It runs with the person's own credentials, on 127.0.0.1, for as long as the caller waits, and keeps no file.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from hpc.errors import PlatformUnreachable, WrongInput
from hpc.local import web
from hpc.local.child import END_WITHIN_S, end_with_parent
from hpc.local.loopback import free_port, is_free
from hpc.local.platform import PROJECT_ROOT

# What the page imports; all else comes with these.
PACKAGES = ("flask", "flask_wtf", "gunicorn", "jwt", "cryptography", "botocore")
# What a shell says of these it says of another page, or of another gunicorn.
_NOT_OF_THIS_PAGE = (
    "TRUSTED_PROXIES",
    "SIGN_IN_SIGNER",
    "UPLOAD_MAX_BYTES",
    "POLL_SECONDS",
    "WEB_THREADS",
    "GUNICORN_CMD_ARGS",
)
_STANDARD_ERROR = 2


@dataclass(frozen=True)
class Page:
    """Where the page listens, and which API it calls."""

    port: int
    api_endpoint: str
    region: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def environment(self, persons: Mapping[str, str]) -> dict[str, str]:
        """The person's environment, where botocore finds their credentials as ever, and the page's settings.

        The session key is new each time: a form that was open before is shown once more when it is sent.
        """
        kept = {name: value for name, value in persons.items() if name not in _NOT_OF_THIS_PAGE}
        return kept | {
            "PYTHONDONTWRITEBYTECODE": "1",
            "API_ENDPOINT": self.api_endpoint,
            "AWS_REGION": self.region,
            "SESSION_KEY": secrets.token_hex(32),
            # Else this page and the laptop platform's, open in one browser, would end each other's sessions.
            "SESSION_COOKIE": f"page-{self.port}",
            "TRUSTED_HOSTS": "127.0.0.1,localhost",
            "BIND_HOST": "127.0.0.1",
            "PORT": str(self.port),
            "WEB_WORKERS": "1",
        }


def check_is_installed() -> None:
    """Raises PlatformUnreachable when the page's code or a package that it needs is not there."""
    folder = web.folder(PROJECT_ROOT)
    if not (folder / "gunicorn.conf.py").is_file():
        raise PlatformUnreachable(
            f"The page: found no {folder}; expected the project's folder; use the hpc of a checkout (make setup)"
        )
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise PlatformUnreachable(
            f"The page: found no Python package {', '.join(missing)}; expected what requirements.txt names; "
            "install it: make setup"
        )


def choose_port(wanted: int | None) -> int:
    """The wanted port, else 8080 or another one that is free; raises WrongInput when the wanted one is taken."""
    if wanted is None:
        return free_port(web.DEFAULT_WEB_PORT)
    if not is_free(wanted):
        raise WrongInput(
            f"--port: found port {wanted} of 127.0.0.1 taken by another program; expected a free one; "
            "leave --port out to have one chosen"
        )
    return wanted


@contextmanager
def serving(page: Page) -> Iterator[subprocess.Popen[bytes]]:
    """The page's process, which answers; ended with the block. What it says goes to standard error.

    Raises PlatformUnreachable when it ends instead, or does not answer in time.
    """
    process = _start(page)
    try:
        if not web.wait_until_it_answers(page.url, has_ended=lambda: process.poll() is not None):
            raise PlatformUnreachable(f"The page does not answer at {page.url}; what it said is above")
        yield process
    finally:
        _end(process)


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Lets SIGTERM and SIGHUP interrupt the block as Ctrl-C does, so that nothing it started is left behind."""
    # Under nohup a closed terminal is to be ignored.
    signals = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]
    for number in signals:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in signals:
            signal.signal(number, signal.SIG_DFL)


def _start(page: Page) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--access-logfile", os.devnull, "--log-level", "warning"],
        env=page.environment(os.environ),
        cwd=web.folder(PROJECT_ROOT),
        stdin=subprocess.DEVNULL,
        stdout=_STANDARD_ERROR,
        # A terminal's Ctrl-C is for `hpc`, which then lets the page finish what it is doing.
        start_new_session=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509 -- this process has one thread
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Lets the page answer what it is doing; kills it when that takes too long, or by a second Ctrl-C."""
    process.terminate()
    try:
        process.wait(END_WITHIN_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
