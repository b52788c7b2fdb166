from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.ids import delivery_id, digest, new_pipeline_id, run_id, task_id
from shared.model.base import instant_text
from shared.model.graph import MAX_NODES, GraphError, ancestors_of_all, check_graph
from shared.model.pipeline import INPUT, OUTPUT, Node, predecessors
from shared.mps.scope import ancestors
from tests.builders import T0, a_chain, a_diamond


def graph(*edges: tuple[int, ...], kinds: str = "") -> list[Node]:
    """`i`nput, `o`utput, anything else is work; input first and output last unless told otherwise."""
    kinds = kinds or "i" + "w" * (len(edges) - 2) + "o"
    names = {"i": INPUT, "o": OUTPUT, "w": "noop"}
    return [Node(kind=names[kind], successors=found) for kind, found in zip(kinds, edges, strict=True)]


@pytest.mark.parametrize(
    ("nodes", "node", "rule"),
    [
        ([], None, "must not be empty"),
        (graph((), kinds="i"), None, "exactly one 'output'"),
        (
            graph((1,), (), kinds="io") + graph((1,), kinds="i"),
            None,
            "exactly one 'input' activity is required, found 2",
        ),
        (graph((1, 2), (), (), kinds="ioo"), None, "exactly one 'output'"),
        (graph((1,), (5,), ()), 1, "index 5 is out of range 0..2"),
        (graph((1,), (-1,), ()), 1, "index -1 is out of range"),
        (graph((1,), (1, 2), ()), 1, "cannot follow itself"),
        (graph((1, 1), (2,), ()), 0, "named twice"),
        (graph((1,), (2,), (1,)), 2, "no successors"),
        (graph((1,), (2, 3), (1,), ()), 1, "cycle"),
        (graph((2,), (2,), ()), 1, "not reachable"),
        (graph((1, 2), (), ()), 1, "does not lead to the output"),
        ([Node(kind="noop")] * (MAX_NODES + 1), None, "at most 1000"),
    ],
)
def test_graph_that_cannot_run_is_refused_with_its_node_and_rule(
    nodes: list[Node], node: int | None, rule: str
) -> None:
    with pytest.raises(GraphError) as caught:
        check_graph(nodes)
    assert (caught.value.node, rule in str(caught.value)) == (node, True)


def test_runnable_graphs_pass_and_know_their_predecessors() -> None:
    check_graph(graph((1,), ()))
    check_graph(a_chain(100))
    check_graph(graph((), (2,), (0,), kinds="oiw"))
    assert predecessors(a_diamond()) == [[], [0], [0], [0], [1, 2, 3], [4]]


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_different_lists_have_different_digests(first: list[str], second: list[str]) -> None:
    assert (digest(*first) == digest(*second)) is (first == second)


def test_ids_have_the_contracts_shape() -> None:
    account, word, rest = run_id("1250000000", "7001", "b", "k").split("-")
    assert (account, word, len(rest), rest[-3:]) == ("1250000000", "ScheduleTask", 43, "tt0")
    assert task_id("r", 3, 2, 1) == "r:1.3:2"
    assert delivery_id("r", 4, "URL") == "r:4:URL"
    ids = [new_pipeline_id(T0 + timedelta(milliseconds=ms)) for ms in range(0, 50, 2)]
    assert ids == sorted(set(ids))
    assert all(0 < number < 2**53 for number in ids)


INSTANTS = st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.timezones())  # noqa: DTZ001


@given(INSTANTS, INSTANTS)
def test_instants_sort_as_text_as_they_do_in_time(first: datetime, second: datetime) -> None:
    one, two = first.astimezone(UTC), second.astimezone(UTC)
    assert (instant_text(first) < instant_text(second)) is (one < two)
    assert len(instant_text(first)) == len("2026-03-04T05:06:07.000089Z")


@given(st.data())
def test_ancestors_of_all_nodes_are_those_of_each(data: st.DataObject) -> None:
    """Also where indexes are not in the order of the graph."""
    count = data.draw(st.integers(1, 8))
    place = data.draw(st.permutations(range(count)))
    nodes = [Node(kind="noop") for _ in range(count)]
    for index in range(count):
        later = data.draw(st.lists(st.integers(index + 1, count - 1), unique=True)) if index + 1 < count else []
        nodes[place[index]] = Node(kind="noop", successors=tuple(place[other] for other in later))
    found = ancestors_of_all(nodes)
    for index in range(count):
        assert {other for other in range(count) if found[index] >> other & 1} == set(ancestors(nodes, index))
