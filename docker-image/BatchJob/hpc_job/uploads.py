"""The requests that send data to S3 in the background, a bounded number of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from threading import BoundedSemaphore
from types import TracebackType
from typing import Any, Self


class Uploads:
    """The requests that send data, at most `threads` of them at a time; a full house makes the caller wait.

    As a context manager it waits at its end for what is under way; after an error it drops what has not begun.
    """

    def __init__(self, client: Any, *, threads: int = 4) -> None:
        self.client = client
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="upload")
        self._places = BoundedSemaphore(threads)
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=kind is None, cancel_futures=kind is not None)
        if kind is None:
            self.raise_failure()

    def submit(self, guard: AbstractContextManager[None], call: Callable[..., Any], **arguments: Any) -> Future[Any]:
        """Calls S3 in the background, within `guard`, which says what its errors mean.

        Raises what an earlier call has failed with.
        """
        self.raise_failure()
        self._places.acquire()
        try:
            future = self._pool.submit(self._send, guard, call, arguments)
        except BaseException:
            self._places.release()
            raise
        future.add_done_callback(lambda _: self._places.release())
        return future

    def raise_failure(self) -> None:
        """Raises the first failure of a call, if there was one."""
        if self._failure is not None:
            raise self._failure

    def _send(self, guard: AbstractContextManager[None], call: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        try:
            with guard:
                return call(**arguments)
        except Exception as error:
            self._failure = self._failure or error
            raise
