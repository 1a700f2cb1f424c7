"""The jobs of String_Repeat_Merge and String_Reverse_Merge: join a branch's shards in input order."""

KEEPS_NO_STATE = True  # on a laptop one process may do job after job; see docs/job-contract.md
