"""What must hold for every expression, every scope and every text."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.conditions import Expression, ExpressionError, Scope, parse
from shared.conditions.render import render
from shared.conditions.syntax import Node
from tests.unit.conditions.strategies import CONDITIONS, SCOPES

TOKENS = [
    *"()[],.!<>+-*/=&|'\"\\ \n\t“。",
    *("and", "or", "not", "in", "contains", "true", "null", "exists", "len", "nodes", "a", "宽", "1", "2.5", "1e9"),
    *("==", "!=", "<=", "&&", "||", "not in", '"x"', "'y'", "[0]", '["k"]', ".3", "a.b"),
]
TEXTS = (
    st.text(max_size=60)
    | st.lists(st.sampled_from(TOKENS), max_size=40).map(" ".join)
    | st.lists(st.sampled_from(TOKENS), max_size=40).map("".join)
)


@given(TEXTS, SCOPES)
def test_any_text_is_an_expression_or_refused_with_its_place(text: str, scope: Scope) -> None:
    outcome = _outcome(text)
    if isinstance(outcome, ExpressionError):
        lines = text.split("\n")
        assert outcome.reason
        assert 0 <= outcome.position <= len(text)
        assert outcome.position == sum(len(line) + 1 for line in lines[: outcome.line - 1]) + outcome.column - 1
    else:
        outcome.evaluate(scope)
        assert parse(str(outcome)) == outcome


def _outcome(text: str) -> Expression | ExpressionError:
    try:
        return parse(text)
    except ExpressionError as error:
        return error


@given(CONDITIONS, SCOPES)
def test_evaluation_never_raises_and_explanation_agrees(tree: Node, scope: Scope) -> None:
    expression = Expression(tree, "")
    assert expression.evaluate(scope) is (expression.answer(scope) is True)
    explanation = expression.explain(scope)
    assert explanation.answer is expression.answer(scope)
    assert explanation.reasons
    str(explanation).encode()


@given(CONDITIONS)
def test_rendered_trees_are_read_back(tree: Node) -> None:
    text = render(tree)
    with contextlib.suppress(_TooDear):
        again = _parse(text)
        assert again.tree == tree
        assert str(again) == text


class _TooDear(Exception):
    """The random tree is over a limit."""


def _parse(text: str) -> Expression:
    try:
        return parse(text)
    except ExpressionError as error:
        if error.reason.startswith("costs too much"):
            raise _TooDear from None
        raise


@given(st.lists(st.sampled_from(["t", "f", "not t", "!f", "not not t"]), min_size=1, max_size=8), st.randoms())
def test_precedence_is_that_of_python(operands: list[str], random) -> None:
    text = operands[0]
    for operand in operands[1:]:
        text += f" {random.choice(['and', 'or', '&&', '||'])} {operand}"
    python = text.replace("&&", "and").replace("||", "or").replace("!f", "not f")
    expected = eval(python, {}, {"t": True, "f": False})  # noqa: S307 - our own four words, as the oracle
    assert parse(text).answer({"t": True, "f": False}) is expected


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.randoms())
def test_arithmetic_is_that_of_python(operands: list[int], random) -> None:
    text = str(operands[0])
    for operand in operands[1:]:
        text += f" {random.choice('+-*/')} {random.choice(['', '-'])}{operand}"
    try:
        expected = eval(text)  # noqa: S307 - digits and signs of our own, as the oracle
    except ZeroDivisionError:
        assert parse(f"({text}) == x").answer({"x": 1}) is None
    else:
        assert parse(f"({text}) == x").answer({"x": expected}) is True


@settings(max_examples=40)
@given(CONDITIONS, CONDITIONS, SCOPES)
def test_laws_of_de_morgan_hold_with_unknown(left: Node, right: Node, scope: Scope) -> None:
    a, b = render(left), render(right)
    with contextlib.suppress(_TooDear):
        both, either = _parse(f"not (({a}) and ({b}))"), _parse(f"not ({a}) or not ({b})")
        assert both.answer(scope) is either.answer(scope)
