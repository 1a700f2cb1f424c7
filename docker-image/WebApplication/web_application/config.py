"""The page's settings: the only reader of the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

# `python -c "import secrets; print(secrets.token_hex(32))"` makes twice as many.
_SESSION_KEY_CHARACTERS = 32
# What the API hands presigned POSTs out for.
_UPLOAD_MAX_BYTES = 64 * 1024 * 1024


class WrongSetting(Exception):
    """A setting is missing or wrong; the text names it, what was found and what was expected."""


@dataclass(frozen=True)
class Config:
    """Where the API is, and what the page trusts; README.md has the table."""

    api_endpoint: str
    region: str
    session_key: str = field(repr=False)
    session_cookie: str = "page"
    trusted_proxies: int = 0
    trusted_hosts: tuple[str, ...] = ()
    upload_max_bytes: int = _UPLOAD_MAX_BYTES
    poll_seconds: int = 3
    sign_in_signer: str = ""

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Config:
        """Raises WrongSetting."""
        session_key = _required(env, "SESSION_KEY", "a random text that all tasks of the page share")
        if len(session_key) < _SESSION_KEY_CHARACTERS:
            raise WrongSetting(
                f"SESSION_KEY: found {len(session_key)} characters; expected {_SESSION_KEY_CHARACTERS} or more, random"
            )
        return cls(
            api_endpoint=_endpoint(_required(env, "API_ENDPOINT", "the URL of the platform's API, with its stage")),
            region=_required(env, "AWS_REGION", "the AWS Region of the API, such as eu-central-1"),
            session_key=session_key,
            session_cookie=_cookie_name(env.get("SESSION_COOKIE", "").strip() or "page"),
            trusted_proxies=_whole_number(env, "TRUSTED_PROXIES", default=0, minimum=0, maximum=5),
            trusted_hosts=tuple(host.strip() for host in env.get("TRUSTED_HOSTS", "").split(",") if host.strip()),
            upload_max_bytes=_whole_number(
                env, "UPLOAD_MAX_BYTES", default=_UPLOAD_MAX_BYTES, minimum=0, maximum=1 << 30
            ),
            poll_seconds=_whole_number(env, "POLL_SECONDS", default=3, minimum=1, maximum=3600),
            sign_in_signer=env.get("SIGN_IN_SIGNER", ""),
        )


@dataclass(frozen=True)
class Server:
    """Where gunicorn listens, with how many processes, and threads in each."""

    bind_host: str
    port: int
    workers: int
    threads: int

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Server:
        """Raises WrongSetting."""
        return cls(
            bind_host=env.get("BIND_HOST", "").strip() or "0.0.0.0",  # noqa: S104 -- a container's port
            port=_whole_number(env, "PORT", default=8080, minimum=1, maximum=65535),
            workers=_whole_number(env, "WEB_WORKERS", default=2, minimum=1, maximum=64),
            threads=_whole_number(env, "WEB_THREADS", default=8, minimum=1, maximum=256),
        )


def _required(env: Mapping[str, str], name: str, expected: str) -> str:
    value = env.get(name, "").strip()
    if not value:
        raise WrongSetting(f"{name}: found nothing in the environment; expected {expected}")
    return value


def _cookie_name(text: str) -> str:
    if not re.fullmatch("[A-Za-z0-9_-]{1,64}", text):
        raise WrongSetting(f"SESSION_COOKIE: found {text!r}; expected 1 to 64 of A-Z, a-z, 0-9, '_' and '-'")
    return text


def _endpoint(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise WrongSetting(f"API_ENDPOINT: found {text!r}; expected an http or https URL without a query")
    return text.rstrip("/")


def _whole_number(env: Mapping[str, str], name: str, *, default: int, minimum: int, maximum: int) -> int:
    text = env.get(name, "").strip() or str(default)
    if not (text.isascii() and text.isdigit() and minimum <= int(text) <= maximum):
        raise WrongSetting(f"{name}: found {text!r}; expected a whole number from {minimum} to {maximum}")
    return int(text)
