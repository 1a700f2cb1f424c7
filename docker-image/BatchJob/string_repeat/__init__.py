"""The job of String_Repeat: writes every line of a shard twice in a row on one line."""

KEEPS_NO_STATE = True  # on a laptop one process may do job after job; see docs/job-contract.md
