"""What the jobs share: the environment contract, text in whole lines, S3 objects, records and exit codes."""
