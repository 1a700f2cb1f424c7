"""The page of the laptop platform: where it listens, what it is told, and the process that serves it.

`hpc up` writes the configuration as soon as the API is deployed; the supervisor starts the page when it finds one, and
again when it changes.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hpc.local import loopback
from hpc.local.configuration import write_private

WEB_FILE = "web.json"
DEFAULT_WEB_PORT = 8080
# Its process is up within a second on a quiet machine.
_ANSWERS_WITHIN_S = 30.0


@dataclass(frozen=True)
class WebConfig:
    """What the page needs to know; its calls of the API are the platform owner's, as those of the command line are."""

    port: int
    api_endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_key: str = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def save(self, state: Path) -> None:
        """Writes it into the state directory, readable by its owner only: it holds keys."""
        write_private(state / WEB_FILE, json.dumps(asdict(self)))

    @classmethod
    def load(cls, state: Path) -> WebConfig | None:
        """The configuration in a state directory; None when there is none, or none that can be read."""
        try:
            return cls(**json.loads((state / WEB_FILE).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    @classmethod
    def make(
        cls, *, api_endpoint: str, region: str, access_key_id: str, secret_access_key: str, last: WebConfig | None
    ) -> WebConfig:
        """The next configuration: port and session key of the last one go on, so that open pages go on to work."""
        return cls(
            port=last.port if last else loopback.free_port(DEFAULT_WEB_PORT),
            api_endpoint=api_endpoint,
            region=region,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
            session_key=last.session_key if last else secrets.token_hex(32),
        )


def command(state: Path) -> list[str]:
    """The page's process; its log has a file of its own, whose name also tells whose process it is."""
    return [sys.executable, "-m", "gunicorn", "--access-logfile", str(state / "logs" / "web.log")]


def folder(project_root: Path) -> Path:
    """Where the page's code and gunicorn's settings are."""
    return project_root / "docker-image" / "WebApplication"


def environment(config: WebConfig, temporary: Path) -> dict[str, str]:
    """What the page's README asks for; other names than this machine's could only be made up to reach it."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(temporary),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "API_ENDPOINT": config.api_endpoint,
        "AWS_REGION": config.region,
        "AWS_ACCESS_KEY_ID": config.access_key_id,
        "AWS_SECRET_ACCESS_KEY": config.secret_access_key,
        "SESSION_KEY": config.session_key,
        "TRUSTED_HOSTS": "127.0.0.1,localhost",
        "BIND_HOST": "127.0.0.1",
        "PORT": str(config.port),
        "WEB_WORKERS": "1",
    }


def wait_until_it_answers(url: str, *, has_ended: Callable[[], bool] = lambda: False) -> bool:
    """False when the page at this address does not answer in time, or its process has ended."""
    return loopback.wait_until_it_answers(f"{url}/healthz", within_s=_ANSWERS_WITHIN_S, has_ended=has_ended)
