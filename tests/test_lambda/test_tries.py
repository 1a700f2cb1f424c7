"""Job_Map and Check_Output together: what the one calls worth another try, the other one lists as to do."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

SHARD_RECORD = re.compile(r".*/records/[^/]+/String_Re\w+/.*")


def redo(mapping, run, complete):
    """Makes what Job_Map lists, as jobs that all succeed would."""
    event = mapping.map_event.JobMapEvent.parse(run.job_map_event(attempt=1))
    shards = mapping.shard_list.Shards(run.file, len(run.shards), run.digits)
    for state, merge in event.branches.items():
        done, merged = bytearray(shards.count), run.record_key(f"{merge}.json") in run.objects
        mapping.branch_plan.mark_done(done, run.objects, event, state, shards)
        plan = mapping.branch_plan.plan_branch(event, shards, done, merged=merged)
        prefix = state.removeprefix("String_").lower()
        made = [f"result/Project1/{state}/{prefix}_{shards.name(index)}" for index in plan.to_do]
        made += [run.record_key(f"{state}/{shards.name(index)}.json") for index in plan.to_do]
        if plan.merge_to_do:
            made += [f"result/Project1/{merge}/{prefix}_{run.file}_merge", run.record_key(f"{merge}.json")]
        run.objects |= {key: complete[key] for key in made}


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_given_any_objects_gone_when_tried_again_then_only_permanent_findings_are_left(mapping, judge, make_run, data):
    run = make_run()
    complete = dict(run.objects)
    gone = data.draw(st.sets(st.sampled_from(sorted(complete)), max_size=8))
    for key in gone:
        run.remove(key)

    before = judge(run)
    redo(mapping, run, complete)
    after = judge(run)

    # A shard's record alone may go: the merge has consolidated it.
    assert before.status == ("FAILED" if any(not SHARD_RECORD.match(key) for key in gone) else "SUCCEEDED")
    if before.permanent:
        assert after.findings == before.findings
    else:
        assert after.permanent or after.status == "SUCCEEDED"
