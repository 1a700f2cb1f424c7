"""The job of String_Reverse: reverses the characters of every line of a shard."""

KEEPS_NO_STATE = True  # on a laptop one process may do job after job; see docs/job-contract.md
