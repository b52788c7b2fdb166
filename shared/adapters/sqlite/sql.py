"""Pieces of SQL with the values bound to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from shared.adapters.state_query import Operator

COMPARE = {Operator.LT: "<", Operator.LTE: "<=", Operator.GT: ">", Operator.GTE: ">="}


class Sql(NamedTuple):
    """A piece of SQL and the values bound to its question marks."""

    text: str
    values: tuple[Any, ...] = ()


def joined(tests: Sequence[Sql]) -> Sql:
    """A WHERE clause of tests that must all hold; nothing for none."""
    if not tests:
        return Sql("")
    return Sql(" WHERE " + " AND ".join(test.text for test in tests), tuple(v for test in tests for v in test.values))
