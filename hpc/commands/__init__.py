"""The commands of `hpc`, and how they talk to a person; what they do is in the modules of `hpc`."""
