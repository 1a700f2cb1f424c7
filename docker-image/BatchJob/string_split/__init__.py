"""The job of String_Split: cuts a text file into shards of a number of lines."""

KEEPS_NO_STATE = True  # on a laptop one process may do job after job; see docs/job-contract.md
