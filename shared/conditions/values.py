"""What the operators do with values: total, and at most as long as the values are.

`None` is "missing" for a value and "unknown" for an answer. A question that makes no sense (a missing value, a text
compared with a number, a division by zero) has the answer unknown; nothing here raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, assert_never

from shared.conditions.syntax import Operator

MAX_NUMBER = 2**63
"""Numbers beyond it are missing: ids and sizes fit, and arithmetic stays cheap."""


def plain(value: object) -> object | None:
    """The value if it is one of JSON that the language knows, else missing."""
    if isinstance(value, bool | str | list | tuple | Mapping):
        return value
    return number(value)


def number(value: object) -> int | float | None:
    """The value if it is a number of bearable size; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -MAX_NUMBER <= value <= MAX_NUMBER else None  # NaN is in no order and falls out


def follow(value: object, steps: Sequence[str | int]) -> object | None:
    """What lies at the end of the steps, or missing. A number is an index of a list or the name of a member."""
    for step in steps:
        if isinstance(value, Mapping):
            value = value.get(str(step))
        elif isinstance(value, list | tuple) and isinstance(step, int):
            value = value[step] if step < len(value) else None
        else:
            return None
    return plain(value)


def truth(value: object) -> bool | None:
    """The value as an answer: only true and false are ones."""
    return value if isinstance(value, bool) else None


def calculate(left: object, operator: str, right: object) -> int | float | None:
    """`left operator right` for `+ - * /`."""
    a, b = number(left), number(right)
    if a is None or b is None:
        return None
    match operator:
        case "+":
            return number(a + b)
        case "-":
            return number(a - b)
        case "*":
            return number(a * b)
        case _:
            return number(a / b) if b else None


def compare(left: object, operator: Operator, right: object) -> bool | None:
    """The answer to `left operator right`; unknown if the two cannot be compared so."""
    match operator:
        case Operator.EQUAL:
            return _equal(left, right)
        case Operator.UNEQUAL:
            return negation(_equal(left, right))
        case Operator.LESS:
            return _ordered(left, right, lambda a, b: a < b)
        case Operator.AT_MOST:
            return _ordered(left, right, lambda a, b: a <= b)
        case Operator.GREATER:
            return _ordered(left, right, lambda a, b: a > b)
        case Operator.AT_LEAST:
            return _ordered(left, right, lambda a, b: a >= b)
        case Operator.IN:
            return _within(left, right)
        case Operator.NOT_IN:
            return negation(_within(left, right))
        case Operator.CONTAINS:
            return _within(right, left)
        case Operator.STARTS_WITH:
            return left.startswith(right) if isinstance(left, str) and isinstance(right, str) else None
        case Operator.ENDS_WITH:
            return left.endswith(right) if isinstance(left, str) and isinstance(right, str) else None
        case _:
            assert_never(operator)


def negation(answer: bool | None) -> bool | None:
    """The opposite; that of unknown is unknown."""
    return None if answer is None else not answer


def length(value: object) -> int | None:
    """How many characters or items."""
    return len(value) if isinstance(value, str | list | tuple) else None


def _equal(left: object, right: object) -> bool | None:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right if isinstance(left, bool) and isinstance(right, bool) else None
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    a, b = number(left), number(right)
    # Lists and objects are not compared: they may be deep, and comparing them is not bounded.
    return None if a is None or b is None else a == b


def _ordered(left: object, right: object, holds: Callable[[Any, Any], bool]) -> bool | None:
    if isinstance(left, str) and isinstance(right, str):
        return holds(left, right)
    a, b = number(left), number(right)
    return None if a is None or b is None else holds(a, b)


def _within(item: object, whole: object) -> bool | None:
    if isinstance(whole, str):
        return item in whole if isinstance(item, str) else None
    if not isinstance(whole, list | tuple):
        return None
    if not isinstance(item, bool | str) and number(item) is None:
        return None
    return any(_equal(item, other) is True for other in whole)
