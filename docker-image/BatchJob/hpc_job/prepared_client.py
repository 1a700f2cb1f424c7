"""A client made before the job that uses it: in a process that is forked into many jobs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.session import Session, get_session

# Each job has its own, and they change nothing but the signature.
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
# All other variables that botocore, urllib3 and OpenSSL make a client of.
SETTING = re.compile(r"(AWS_(?!BATCH_)|BOTO|SSL_|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE).*|.*_PROXY", re.IGNORECASE)
# Files below the home folder that botocore reads.
CONFIGURATION = (".aws", ".boto")

Settings = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class PreparedClient:
    """A client for all environments with the same settings, and the session that holds its keys."""

    settings: Settings
    session: Session
    client: Any

    @classmethod
    def of(cls, environment: Mapping[str, str], create: Callable[[Session], Any]) -> PreparedClient:
        """Makes a client without keys."""
        session = get_session()
        session.set_credentials("none", "none", account_id=environment.get("AWS_ACCOUNT_ID"))
        return cls(settings_of(environment), session, create(session))

    def with_keys(self, environment: Mapping[str, str]) -> Any | None:
        """The client with a job's keys; None when one that is made now might not be the same."""
        key, secret, token = map(environment.get, KEYS)
        if not key or not secret or settings_of(environment) != self.settings or may_be_configured(environment):
            return None
        credentials = self.session.get_credentials()
        credentials.access_key, credentials.secret_key, credentials.token = key, secret, token
        return self.client


def settings_of(environment: Mapping[str, str]) -> Settings:
    return frozenset(item for item in environment.items() if SETTING.fullmatch(item[0]) and item[0] not in KEYS)


def may_be_configured(environment: Mapping[str, str]) -> bool:
    """Whether there is, or cannot be known that there is not, a file with further settings."""
    home = environment.get("HOME")
    return not home or any((Path(home) / name).exists() for name in CONFIGURATION)
