"""What makes a graph runnable: the rules of the contract's Activities (MPS_API §6), checked once, at save."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from shared.errors import ReelwayError
from shared.model.pipeline import INPUT, OUTPUT, Node

MAX_NODES = 1000


class GraphError(ReelwayError):
    """The graph cannot be run. `node` is the index at fault, `member` its wire member, `rule` what it breaks."""

    code = "graph"

    def __init__(self, node: int | None, member: str, rule: str) -> None:
        where = f"Activities[{node}].{member}" if node is not None else member
        super().__init__(f"{where}: {rule}")
        self.node = node
        self.member = member
        self.rule = rule


def check_graph(nodes: Sequence[Node]) -> None:
    """Raises GraphError unless there is one input and one output, every edge is in range and single, there is no cycle,
    and every node lies on a way from input to output."""
    if not nodes:
        raise GraphError(None, "Activities", "must not be empty")
    if len(nodes) > MAX_NODES:
        raise GraphError(None, "Activities", f"at most {MAX_NODES} nodes")
    start = _only(nodes, INPUT)
    end = _only(nodes, OUTPUT)
    for index, node in enumerate(nodes):
        _check_edges(index, node, len(nodes))
    if nodes[end].successors:
        raise GraphError(end, "ReardriveIndex", "the output node has no successors")
    _check_acyclic(nodes)
    forward = _reach(start, [node.successors for node in nodes])
    back: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        for successor in node.successors:
            back[successor].append(index)
    backward = _reach(end, back)
    for index in range(len(nodes)):
        if index not in forward:
            raise GraphError(index, "ReardriveIndex", "the node is not reachable from the input node")
        if index not in backward:
            raise GraphError(index, "ReardriveIndex", "the node does not lead to the output node")


def ancestors_of_all(nodes: Sequence[Node]) -> list[int]:
    """For each node of a checked graph the nodes that come before it, as a set of bits: `1 << index`. One pass over the
    edges for the whole graph, which may have a hundred thousand of them."""
    found = [0] * len(nodes)
    waiting = [0] * len(nodes)
    for node in nodes:
        for successor in node.successors:
            waiting[successor] += 1
    ready = deque(index for index, count in enumerate(waiting) if count == 0)
    while ready:
        index = ready.popleft()
        passed_on = found[index] | 1 << index
        for successor in nodes[index].successors:
            found[successor] |= passed_on
            waiting[successor] -= 1
            if waiting[successor] == 0:
                ready.append(successor)
    return found


def _only(nodes: Sequence[Node], kind: str) -> int:
    found = [index for index, node in enumerate(nodes) if node.kind == kind]
    if len(found) != 1:
        raise GraphError(None, "Activities", f"exactly one {kind!r} activity is required, found {len(found)}")
    return found[0]


def _check_edges(index: int, node: Node, size: int) -> None:
    for successor in node.successors:
        if not 0 <= successor < size:
            raise GraphError(index, "ReardriveIndex", f"index {successor} is out of range 0..{size - 1}")
        if successor == index:
            raise GraphError(index, "ReardriveIndex", "a node cannot follow itself")
    if len(set(node.successors)) != len(node.successors):
        raise GraphError(index, "ReardriveIndex", "the same successor is named twice")


def _check_acyclic(nodes: Sequence[Node]) -> None:
    waiting = [0] * len(nodes)
    for node in nodes:
        for successor in node.successors:
            waiting[successor] += 1
    ready = deque(index for index, count in enumerate(waiting) if count == 0)
    seen = 0
    while ready:
        seen += 1
        for successor in nodes[ready.popleft()].successors:
            waiting[successor] -= 1
            if waiting[successor] == 0:
                ready.append(successor)
    if seen < len(nodes):
        inside = next(index for index, count in enumerate(waiting) if count > 0)
        raise GraphError(inside, "ReardriveIndex", "the graph has a cycle")


def _reach(start: int, edges: Sequence[Sequence[int]]) -> set[int]:
    seen = {start}
    queue = deque([start])
    while queue:
        for following in edges[queue.popleft()]:
            if following not in seen:
                seen.add(following)
                queue.append(following)
    return seen
