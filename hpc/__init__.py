"""What a person runs: submit, watch, fetch. Imports no CDK."""
