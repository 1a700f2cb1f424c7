"""The platform's building blocks: one capability a module, wired together by the stacks."""
