"""The stacks: wiring only."""
