"""Imports what a job imports, once, and forks a process for each job, or for many of an image that keeps no state.

`warm_client` starts `python fork_server/__main__.py <socket> <module> <seconds>` with the interpreter and the variables
of the job that came first, without its keys. Each process does what `python -m <module>` does from its first import on.
Only the standard library is used: whatever these files import is there in every job, too. They import each other
relatively: in the server this package is called `hpc_fork_server` and is all that it has of the platform.
"""
