"""Addresses that templates make: of static files, of the page at hand in other words."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from urllib.parse import quote, urlencode

from flask import Flask, request, url_for

_STATIC = Path(__file__).parent / "static"
_DIGITS = 12


def install(app: Flask) -> None:
    """Gives templates these as functions."""
    app.jinja_env.globals.update(asset=asset, url_with=url_with, in_language=in_language)


def asset(name: str) -> str:
    """The address of a file under `static/`; it changes with its content, so that browsers may keep it for a year."""
    return url_for("static", filename=name, v=_digest(name))


def url_with(**changes: str | None) -> str:
    """The request's own address with other arguments; None leaves one out."""
    given = {name: value for name, value in request.args.items() if name != "language"}
    kept = {name: value for name, value in (given | changes).items() if value}
    # A path that began with two slashes would be another host's.
    path = "/" + quote(request.path.lstrip("/\\"))
    return f"{path}?{urlencode(kept)}" if kept else path


def in_language(code: str) -> str:
    """Where the request's page is in another language."""
    return url_with(language=code)


@functools.cache
def _digest(name: str) -> str:
    return hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:_DIGITS]
