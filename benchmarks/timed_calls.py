"""HTTP calls of a page and of a signed API, each with the seconds that it took; and what many of them add up to."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

TIMEOUT_S = 120


class WrongAnswer(Exception):
    """A call was not answered as it has to be."""


@dataclass(frozen=True)
class Answer:
    """A body, and the seconds from sending the request until all of the body was there; signing is not in them."""

    data: bytes
    seconds: float

    @property
    def document(self) -> Any:
        return json.loads(self.data)


class Caller:
    """Calls over connections that stay open. Safe to use from as many threads as `connections` says."""

    def __init__(self, api_url: str, region: str, credentials: Credentials, *, connections: int) -> None:
        self._api_url = api_url
        self._region = region
        self._credentials = credentials
        self._pool = urllib3.PoolManager(maxsize=connections, block=True, retries=False, timeout=TIMEOUT_S)

    def get(self, url: str) -> Answer:
        """A page's answer; raises WrongAnswer for any status but 200."""
        return self._send("GET", url, None, {}, expected=200)

    def api(self, method: str, path: str, body: Any = None, *, expected: int = 200, **headers: str) -> Answer:
        """The API's answer; names of headers have `_` for `-`. Raises WrongAnswer for another status."""
        data = None if body is None else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if data is not None:
            given["Content-Type"] = "application/json"
        request = AWSRequest(method, self._api_url + path, given, data)
        SigV4Auth(self._credentials, "execute-api", self._region).add_auth(request)
        return self._send(method, request.url, data, dict(request.headers.items()), expected=expected)

    def _send(self, method: str, url: str, data: bytes | None, headers: Mapping[str, str], *, expected: int) -> Answer:
        started = time.perf_counter()
        try:
            answer = self._pool.request(method, url, body=data, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise WrongAnswer(f"{method} {url}: {error}") from error
        seconds = time.perf_counter() - started
        if answer.status != expected:
            raise WrongAnswer(f"{method} {url}: found {answer.status}, expected {expected}: {answer.data[:500]!r}")
        return Answer(answer.data, seconds)


def in_turn(calls: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, by name: one of each a round, each round with another first, so that no call of them
    always follows the same one, and what disturbs the machine meets all."""
    names = list(calls)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            seconds[name].append(calls[name]())
    return seconds


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that so many percent of them do not exceed."""
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]


def rate(seconds: Sequence[float], callers: int) -> float:
    """Calls a second of so many callers, each of whom made one after the other of these."""
    return callers * len(seconds) / sum(seconds)
