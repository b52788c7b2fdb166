"""Which nodes of two definitions are the same work."""

from __future__ import annotations

import pytest

from shared.model.pipeline import RULES, Join, Node, RetryRule, Timeouts
from shared.model.structure import matches, order_of, signatures
from tests.builders import a_chain, a_diamond, a_graph


def test_order_puts_every_node_after_those_that_lead_to_it() -> None:
    nodes = a_graph([[3, 1], [2], [5], [4], [2], []])
    order = order_of(nodes)
    assert sorted(order) == list(range(6))
    assert all(order.index(index) < order.index(after) for index, node in enumerate(nodes) for after in node.successors)


def test_same_definition_matches_node_by_node_even_where_nodes_do_the_same_work() -> None:
    assert matches(a_diamond(), a_diamond()) == [0, 1, 2, 3, 4, 5]


def test_nodes_are_found_again_wherever_they_moved() -> None:
    one, two = Node(kind="noop", params={"SleepMs": 1}), Node(kind="noop", params={"SleepMs": 2})
    old = a_graph([[1, 2], [3], [3], []], n1=one, n2=two)
    new = a_graph([[1, 2, 3], [4], [4], [4], []], n1=Node(kind="noop"), n2=two, n3=one)
    assert matches(old, new) == [0, None, 2, 1, None]


def test_each_old_node_is_found_once() -> None:
    assert matches(a_chain(1), a_graph([[1, 2], [3], [3], []])) == [0, 1, None, None]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "probe"},
        {"params": {"SleepMs": 1}},
        {"source": "original"},
        {"join": Join.ANY},
    ],
)
def test_what_decides_the_result_makes_another_node_and_all_behind_it(change: dict[str, object]) -> None:
    old = a_chain(3)
    new = (*old[:2], old[2].model_copy(update=change), *old[3:])
    assert matches(old, new) == [0, 1, None, None, None]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "b"},
        {"priority": 3},
        {"retry": RetryRule(max_attempts=1)},
        {"timeouts": Timeouts(running_s=5)},
    ],
)
def test_how_a_node_is_run_does_not_matter(change: dict[str, object]) -> None:
    old = a_chain(3)
    new = (*old[:2], old[2].model_copy(update=change), *old[3:])
    assert matches(old, new) == [0, 1, 2, 3, 4]


def test_the_order_of_predecessors_matters_because_the_first_media_is_read() -> None:
    one, two = Node(kind="noop", params={"SleepMs": 1}), Node(kind="noop", params={"SleepMs": 2})
    edges = [[1, 2], [3], [3], [4], []]
    old, new = a_graph(edges, n1=one, n2=two), a_graph(edges, n1=two, n2=one)
    assert matches(old, new) == [0, 2, 1, None, None]


def test_rules_speak_of_nodes_by_name_and_of_successors_by_index() -> None:
    rules = Node(kind=RULES)
    edges = [[1], [2], [3, 4], [5], [5], []]
    old = a_graph(edges, n1=Node(kind="noop", name="review"), n2=rules)
    renamed = a_graph(edges, n1=Node(kind="noop", name="other"), n2=rules)
    assert matches(old, renamed)[:3] == [0, 1, None]
    moved = a_graph([[1], [2], [4, 3], [5], [5], []], n1=Node(kind="noop", name="review"), n2=rules)
    assert matches(old, moved)[:3] == [0, 1, None]


def test_thousand_nodes_are_signed_quickly() -> None:
    # Every node of a chain of 998; and a rules node that sees them all.
    last = 998
    nodes = a_graph([[index + 1] for index in range(last)] + [[]], **{f"n{last - 1}": Node(kind=RULES)})
    assert len(set(signatures(nodes))) == len(nodes)
