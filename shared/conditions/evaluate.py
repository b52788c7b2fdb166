"""What an expression says about a scope, and why.

Answers are true, false or unknown (None), joined as Kleene did: `false and unknown` is false, `true or unknown` is
true, otherwise unknown stays unknown. Only true counts as "holds". Nothing here raises, whatever the scope holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from shared.conditions import values
from shared.conditions.render import render, show
from shared.conditions.syntax import (
    Arithmetic,
    Call,
    Comparison,
    Junction,
    Junctor,
    ListOf,
    Literal,
    Negative,
    Node,
    Not,
    Operator,
    Path,
)

Scope = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer and the comparisons that decided it, with the values they met."""

    answer: bool | None
    reasons: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether the answer is true."""
        return self.answer is True

    def __str__(self) -> str:
        return "; ".join(self.reasons)


def answer(part: Node, scope: Scope) -> bool | None:
    """True, false or unknown."""
    return values.truth(_value(part, scope))


def explain(part: Node, scope: Scope) -> Explanation:
    """The answer and what decided it: of an `and` that is false the part that is, of one that is true all parts."""
    match part:
        case Not(operand=operand):
            inner = explain(operand, scope)
            return Explanation(values.negation(inner.answer), inner.reasons)
        case Junction(junctor=junctor, parts=parts):
            found = [explain(each, scope) for each in parts]
            joined = _join(junctor, [each.answer for each in found])
            decisive = junctor is Junctor.OR
            if joined is decisive or joined is None:
                return next(each for each in found if each.answer is joined)
            return Explanation(joined, tuple(reason for each in found for reason in each.reasons))
        case _:
            given = answer(part, scope)
            text = render(part, lambda path: f"{path} ({show(values.follow(scope, path.steps))})")
            return Explanation(given, (f"{text} is {'unknown' if given is None else str(given).lower()}",))


def _join(junctor: Junctor, answers: list[bool | None]) -> bool | None:
    decisive = junctor is Junctor.OR
    if decisive in answers:
        return decisive
    return None if None in answers else not decisive


def _value(part: Node, scope: Scope) -> Any:
    match part:
        case Literal(value=value):
            return value
        case Path(steps=steps):
            return values.follow(scope, steps)
        case ListOf(items=items):
            return [_value(item, scope) for item in items]
        case Junction(junctor=junctor, parts=parts):
            return _join(junctor, [answer(each, scope) for each in parts])
        case Not(operand=operand):
            return values.negation(answer(operand, scope))
        case Negative(operand=operand):
            return values.calculate(0, "-", _value(operand, scope))
        case Arithmetic(first=first, rest=rest):
            total = _value(first, scope)
            for sign, operand in rest:
                total = values.calculate(total, sign, _value(operand, scope))
            return total
        case Call(function=function, argument=argument):
            return _call(function, _value(argument, scope))
        case Comparison(left=left, operator=operator, right=right):
            if Literal(None) in (left, right):
                missing = _value(right if left == Literal(None) else left, scope) is None
                return missing is (operator is Operator.EQUAL)
            return values.compare(_value(left, scope), operator, _value(right, scope))
        case _:
            assert_never(part)


def _call(function: str, value: object) -> Any:
    match function:
        case "exists":
            return value is not None
        case "len":
            return values.length(value)
        case "lower":
            return value.lower() if isinstance(value, str) else None
        case _:
            return value.upper() if isinstance(value, str) else None
