"""Bytes become log lines: the same text in the same order, however it is cut on its way."""

from hypothesis import given
from hypothesis import strategies as st

from hpc.local.batch.log_lines import MAX_LINE_BYTES, LineBatcher

PIECES = st.lists(st.binary(max_size=40) | st.sampled_from([b"\n", b"\r\n", b"\0", "ä€😀".encode()]), max_size=30)


def batches_of(*pieces):
    taken = []
    batcher = LineBatcher(taken.append, clock=lambda: 1.5)
    for piece in pieces:
        batcher.feed(piece)
    batcher.close()
    return taken


def texts_of(*pieces):
    return [text for batch in batches_of(*pieces) for _, text in batch]


@given(PIECES)
def test_lines_do_not_depend_on_how_the_output_was_cut(pieces):
    whole = b"".join(pieces)
    expected = [line.decode("utf-8", errors="replace") for line in whole.split(b"\n") if line]
    assert texts_of(*pieces) == texts_of(whole) == expected


def test_timestamps_are_milliseconds():
    assert batches_of(b"x\n") == [[(1500, "x")]]


def test_the_sink_is_called_at_least_once_and_opens_the_stream_while_nothing_comes(monkeypatch):
    assert batches_of() == batches_of(b"\n") == [[]]
    taken = []
    batcher = LineBatcher(taken.append, clock=lambda: 1.5)
    batcher.flush_if_due()
    assert taken == []
    monkeypatch.setattr("hpc.local.batch.log_lines._FLUSH_AFTER_S", 0)
    batcher.flush_if_due()
    batcher.flush_if_due()
    assert taken == [[]]
    batcher.close()
    assert taken == [[]]


def test_a_long_line_is_cut_into_events_at_characters():
    line = "a" + "ä" * MAX_LINE_BYTES  # the first cut would fall within an ä
    texts = texts_of(line.encode(), b"\nnext\n")
    assert "".join(texts[:-1]) == line
    assert max(len(text.encode()) for text in texts) <= MAX_LINE_BYTES
    assert len(texts) == 4
    assert texts[-1] == "next"


def test_a_batch_is_what_put_log_events_takes():
    batches = batches_of(b"".join(b"%d\n" % number for number in range(25_000)), b"y" * 3_000_000)
    assert sum(len(batch) for batch in batches) > 25_000
    assert max(len(batch) for batch in batches) <= 10_000
    assert max(sum(len(text.encode()) + 26 for _, text in batch) for batch in batches) <= 1_048_576
