"""Output of a process becomes log events: whole lines, in order, in batches."""

import codecs
import time
from collections.abc import Callable, Sequence

#: An event holds 256 KiB less 26 bytes of its own; the awslogs driver cuts longer lines into several events.
#: Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
MAX_LINE_BYTES = 256 * 1024 - 26
#: A batch stays below what PutLogEvents takes (10,000 events, 1 MiB with 26 bytes for each event).
#: Source: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
_MAX_BATCH_LINES = 1000
_MAX_BATCH_BYTES = 512 * 1024
_FLUSH_AFTER_S = 0.5

Lines = Sequence[tuple[int, str]]


class LineBatcher:
    """Takes bytes as they come and hands lines to `sink`; holds at most one line and one batch.

    `sink` is called at least once: without lines when none come for a moment, so that the stream is there for readers.

    Empty lines are dropped, as the awslogs driver does: CloudWatch Logs takes no empty event. Bytes that are not UTF-8
    become U+FFFD.
    """

    def __init__(self, sink: Callable[[Lines], None], clock: Callable[[], float]) -> None:
        self._sink = sink
        self._clock = clock
        self._line = bytearray()
        self._batch: list[tuple[int, str]] = []
        self._batch_bytes = 0
        self._is_open = False
        self._flushed_at = time.monotonic()

    def feed(self, data: bytes) -> None:
        """Takes output of any length."""
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._line += part
            self._cut_long_line()
            self._end_line(bytes(self._line))
            self._line.clear()
        self._line += rest
        self._cut_long_line()
        self.flush_if_due()

    def flush_if_due(self) -> None:
        """Hands over what has waited long enough for a reader who follows the log."""
        if (self._batch or not self._is_open) and time.monotonic() - self._flushed_at >= _FLUSH_AFTER_S:
            self._flush()

    def close(self) -> None:
        """Hands over everything, a last line without its end too."""
        self._end_line(bytes(self._line))
        self._line.clear()
        self._flush()

    def _cut_long_line(self) -> None:
        while len(self._line) > MAX_LINE_BYTES:
            end = _character_boundary(self._line, MAX_LINE_BYTES)
            self._end_line(bytes(self._line[:end]))
            del self._line[:end]

    def _end_line(self, line: bytes) -> None:
        if not line:
            return
        self._batch.append((int(self._clock() * 1000), line.decode("utf-8", errors="replace")))
        self._batch_bytes += len(line) + 26
        if len(self._batch) >= _MAX_BATCH_LINES or self._batch_bytes >= _MAX_BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        self._flushed_at = time.monotonic()
        if batch or not self._is_open:
            self._is_open = True
            self._sink(batch)


def _character_boundary(line: bytearray, limit: int) -> int:
    """The last place up to `limit` that does not lie within a UTF-8 character."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    tail = max(0, limit - 4)
    decoder.decode(bytes(line[tail:limit]))
    unfinished, _ = decoder.getstate()
    return limit - len(unfinished)
