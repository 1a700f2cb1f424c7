"""What the jobs' own code makes of any lines is what the merge and Check_Output accept."""

import json
import re
import sys
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "docker-image" / "BatchJob"))

from hpc_job.environment import Job
from hpc_job.text import Measure, measured, whole_lines
from string_merge.branch import BRANCHES, Shard, checked_output
from string_repeat.repeat import repeat_lines
from string_reverse.reverse import reverse_lines
from string_split.cut import cut

TRANSFORMS = {"String_Repeat": repeat_lines, "String_Reverse": reverse_lines}
TEXT = st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b"\n\r", "é".encode()]), max_size=30).map(b"".join)
LINE = re.compile(rb"[^\n]*\n|[^\n]+")
SIZES = st.integers(1, 5)


@settings(deadline=None, max_examples=300)
@given(text=TEXT, chunk=SIZES, piece=SIZES)
@example(text=b"\rab\ncd\n\r\n\r\r\nx\r", chunk=2, piece=1)
@example(text=b"\r\r\n\r\n\n\r", chunk=1, piece=1)
def test_given_any_lines_when_the_jobs_process_them_then_every_check_accepts(judge, make_run, text, chunk, piece):
    # Given a run as it must be, counted and transformed without the jobs' code
    run = make_run(LINE.findall(text))
    names = iter(run.shards)
    pieces = cut(whole_lines(chunked(text, chunk), "text"), run.lines_per_shard)
    for index, (_, group) in enumerate(groupby(pieces, key=itemgetter(0))):
        # When the jobs' code cuts, measures and transforms
        name, shard = next(names), b"".join(data for _, data in group)
        assert run.objects[f"result/Project1/String_Split/{name}"] == shard
        size = record_of(shard, chunk)
        for state, transform in TRANSFORMS.items():
            output = b"".join(transform(whole_lines(chunked(shard, chunk), name), piece_bytes=piece))
            record = {"etag": "e" * 32} | json.loads(run.objects[run.record_key(f"{state}/{name}.json")])
            # Then output and record are those of the run, and the merge accepts them
            assert run.objects[record["key"]] == output
            assert record == record | record_of(output, chunk)
            job = Job(f"{state}_Merge", "r", "Project1", "data-bucket", "image", "id", 1, None, "2026-01-02T03:04:05Z")
            accepted = checked_output(job, BRANCHES[state], Shard(index, name, **size), record, "s3://b/k")
            assert accepted.terminator_bytes == record["terminator_bytes"]
    assert list(names) == []
    # and Check_Output accepts the run
    assert judge(run).findings == ()


def chunked(text, size):
    return (text[start : start + size] for start in range(0, len(text), size))


def record_of(text, chunk):
    measure = Measure()
    for _ in measured(chunked(text, chunk), measure):
        pass
    return measure.as_record()
