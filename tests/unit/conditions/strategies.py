"""Random scopes and random expressions, the latter with what they mean."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from shared.conditions.syntax import (
    Arithmetic,
    Call,
    Comparison,
    Junction,
    Junctor,
    ListOf,
    Literal,
    Node,
    Not,
    Operator,
    Path,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats()
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcd") | st.text(max_size=3), inner),
    max_leaves=12,
)
SCOPES = st.dictionaries(st.sampled_from("abcd"), JSON)

PATHS = st.builds(
    lambda root, rest: Path((root, *rest)),
    st.sampled_from("abcd") | st.just("宽"),
    st.lists(st.sampled_from(["a", "b", "节点", "my-node", 'q"\\\n', "x y", "not"]) | st.integers(0, 3), max_size=3),
)
NUMBERS = st.builds(Literal, st.integers(0, 2**62) | st.floats(0.001, 1e15))
TEXTS = st.builds(Literal, st.text(st.characters(codec="utf-8"), max_size=6))


def _sum(first: Node, rest: list[tuple[str, Node]]) -> Any:
    return Arithmetic(first, tuple(rest))


AMOUNTS: st.SearchStrategy[Node] = st.recursive(
    NUMBERS | PATHS,
    lambda inner: (
        st.builds(_sum, inner, st.lists(st.tuples(st.sampled_from("+-"), inner), min_size=1, max_size=2))
        | st.builds(_sum, inner, st.lists(st.tuples(st.sampled_from("*/"), inner), min_size=1, max_size=2))
        | st.builds(Call, st.just("len"), PATHS | TEXTS)
    ),
    max_leaves=4,
)
WORDS = TEXTS | PATHS | st.builds(Call, st.sampled_from(["lower", "upper"]), TEXTS | PATHS)
LISTS = st.builds(lambda items: ListOf(tuple(items)), st.lists(AMOUNTS | WORDS, max_size=3))
ORDERS = [Operator.EQUAL, Operator.UNEQUAL, Operator.LESS, Operator.AT_MOST, Operator.GREATER, Operator.AT_LEAST]
CONDITIONS: st.SearchStrategy[Node] = st.recursive(
    st.builds(Comparison, AMOUNTS, st.sampled_from(ORDERS), AMOUNTS)
    | st.builds(Comparison, WORDS, st.sampled_from([*ORDERS, Operator.STARTS_WITH, Operator.ENDS_WITH]), WORDS)
    | st.builds(Comparison, AMOUNTS | WORDS, st.sampled_from([Operator.IN, Operator.NOT_IN]), LISTS | PATHS)
    | st.builds(Comparison, PATHS | LISTS, st.just(Operator.CONTAINS), WORDS)
    | st.builds(Comparison, PATHS, st.sampled_from([Operator.EQUAL, Operator.UNEQUAL]), st.just(Literal(None)))
    | st.builds(Call, st.just("exists"), PATHS)
    | PATHS,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(
            lambda junctor, parts: Junction(junctor, tuple(parts)),
            st.sampled_from(Junctor),
            st.lists(inner, min_size=2, max_size=3),
        )
    ),
    max_leaves=6,
)
