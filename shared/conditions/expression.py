"""A parsed expression: what the rest of the product sees of the language."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from shared.conditions.build import build
from shared.conditions.evaluate import Explanation, Scope, answer
from shared.conditions.evaluate import explain as explain_part
from shared.conditions.render import render
from shared.conditions.syntax import (
    Arithmetic,
    Call,
    Comparison,
    Junction,
    ListOf,
    Literal,
    Negative,
    Node,
    Not,
    Path,
)


@dataclass(frozen=True, slots=True)
class Expression:
    """A condition that was found to be well formed. Two are equal if they mean the same; `text` is as written."""

    tree: Node
    text: str = field(compare=False)

    @property
    def paths(self) -> tuple[Path, ...]:
        """All paths, in the order of the text, repetitions included, with their positions."""
        return tuple(_paths(self.tree))

    def evaluate(self, scope: Scope) -> bool:
        """Whether the condition holds. Pure; never raises; an unknown answer is false."""
        return answer(self.tree, scope) is True

    def answer(self, scope: Scope) -> bool | None:
        """True, false, or None if the scope does not say."""
        return answer(self.tree, scope)

    def explain(self, scope: Scope) -> Explanation:
        """Which comparisons decided, with the values they met."""
        return explain_part(self.tree, scope)

    def __str__(self) -> str:
        """The expression in the one spelling that its meaning has; parsing it gives an equal expression."""
        return render(self.tree)


@lru_cache(maxsize=512)
def parse(text: str) -> Expression:
    """The expression that a text is. Raises ExpressionError; remembers the last texts, for they are asked often."""
    return Expression(build(text), text)


def explain(expression: Expression, scope: Scope) -> Explanation:
    """See `Expression.explain`."""
    return expression.explain(scope)


def _paths(part: Node) -> Iterator[Path]:
    match part:
        case Path():
            yield part
        case Literal():
            return
        case ListOf(items=parts) | Junction(parts=parts):
            for each in parts:
                yield from _paths(each)
        case Not(operand=operand) | Negative(operand=operand) | Call(argument=operand):
            yield from _paths(operand)
        case Comparison(left=left, right=right):
            yield from _paths(left)
            yield from _paths(right)
        case Arithmetic(first=first, rest=rest):
            yield from _paths(first)
            for _, operand in rest:
                yield from _paths(operand)
