"""The request that the front door shows to the emulator, while the emulator answers where it goes."""

from __future__ import annotations

import contextvars
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class ShownRequest:
    """A request without its body: its path and query as they were sent, what it says of its body, its headers."""

    uri: str
    payload_hash: str
    amz_headers: Mapping[str, str]


#: The shown request that is being answered; None while a real one is.
shown_request: contextvars.ContextVar[ShownRequest | None] = contextvars.ContextVar("shown_request", default=None)
