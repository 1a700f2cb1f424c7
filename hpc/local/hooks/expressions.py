"""DynamoDB's expressions are read once, and not again for every row that a query looks at.

The emulator parses a condition for each row of a partition; the index of all runs is one partition. Here what it makes
of an expression's text is kept: the text does not change.
"""

from __future__ import annotations

from functools import lru_cache

from ministack.services import dynamodb

from hpc.local.hooks.replacing import replace

# The platform's own code has some dozens; others come from whoever uses the endpoint.
_KEPT = 512


def install() -> None:
    """Keeps tokens and errors of expressions by their text."""
    tokenize = lru_cache(_KEPT)(dynamodb._tokenize)
    keyword_of = lru_cache(_KEPT)(dynamodb._check_reserved_keyword_usage)
    replace(dynamodb, "_tokenize", lambda expression: list(tokenize(expression)))
    replace(dynamodb, "_check_reserved_keyword_usage", lambda tokens: keyword_of(tuple(tokens)))
    replace(dynamodb, "_condition_syntax_error", lru_cache(_KEPT)(dynamodb._condition_syntax_error))
