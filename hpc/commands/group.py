"""How commands end that fail in an expected way: one message on standard error, and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path
from typing import Any

import click

from hpc.connection import reporting_unreachable
from hpc.errors import HpcError
from hpc.local.platform import PlatformError

INTERRUPTED = 130
# What a full disk, or a broken one, says to a write.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class HpcGroup(click.Group):
    """Turns expected failures into one message and their exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with reporting_unreachable():
                return super().invoke(ctx)
        except (HpcError, PlatformError) as error:
            say(f"Error: {error}")
            raise click.exceptions.Exit(error.exit_code) from error
        except KeyboardInterrupt:
            say("Interrupted")
            raise click.exceptions.Exit(INTERRUPTED) from None
        except OSError as error:
            # A broken pipe is click's business: it ends silently, with exit code 1.
            if error.errno not in _NO_ROOM or error.filename is not None:
                raise
            say(f"Error: the output cannot be written: {error.strerror}; expected room where it goes; make some")
            _drop_output()
            raise click.exceptions.Exit(1) from error


def _drop_output() -> None:
    """Lets what is still buffered go nowhere; Python would try to write it again at its end, and complain."""
    with contextlib.suppress(OSError), Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def say(text: str) -> None:
    """A word to the person, on standard error."""
    click.echo(text, err=True)
