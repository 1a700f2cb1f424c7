"""Puts a function of ours in the place of one of the emulator's."""

from __future__ import annotations

from typing import Any


def replace(module: Any, name: str, value: Any) -> None:
    """Replaces a name of a module; raises RuntimeError when the module has no such name any more."""
    if not hasattr(module, name):
        raise RuntimeError(f"{module.__name__}.{name} is gone: this version of ministack needs other hooks")
    setattr(module, name, value)
