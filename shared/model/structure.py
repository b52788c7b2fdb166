"""Which nodes of two definitions are the same work: compared by what they do and by what comes before them."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Sequence

from shared.ids import digest
from shared.model.pipeline import RULES, Node, predecessors


def order_of(nodes: Sequence[Node]) -> list[int]:
    """All indexes, each after those that lead to it."""
    waiting = [len(before) for before in predecessors(nodes)]
    ready = deque(index for index, count in enumerate(waiting) if count == 0)
    found: list[int] = []
    while ready:
        index = ready.popleft()
        found.append(index)
        for successor in nodes[index].successors:
            waiting[successor] -= 1
            if waiting[successor] == 0:
                ready.append(successor)
    return found


def signatures(nodes: Sequence[Node]) -> list[str]:
    """For each node a text that says what its result depends on: its kind, parameters, templates,
    source and join, and the same of its predecessors in their order (the first one that made media is read). How often
    it is tried, how long it may take, and its priority do not matter.

    A rules node speaks of nodes by index and name, so for it the places of all that come before and of its successors
    matter as well.
    """
    before = predecessors(nodes)
    found = [""] * len(nodes)
    earlier: list[frozenset[int]] = [frozenset()] * len(nodes)
    for index in order_of(nodes):
        node = nodes[index]
        earlier[index] = frozenset(before[index]).union(*(earlier[one] for one in before[index]))
        parts = [node.kind, _text(node.params), node.source, node.join.value, *(found[one] for one in before[index])]
        if node.templates:
            parts.append(_text(node.templates))
        if node.kind == RULES:
            parts.append(_text(node.successors))
            parts += [_text([one, nodes[one].name, found[one]]) for one in sorted(earlier[index])]
        found[index] = digest(*parts)
    return found


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def matches(old: Sequence[Node], new: Sequence[Node]) -> list[int | None]:
    """For each node of `new` the node of `old` that is the same work, or None. No node of `old` is named twice."""
    if old == new:
        return list(range(len(new)))
    free: dict[str, deque[int]] = defaultdict(deque)
    for index, signature in enumerate(signatures(old)):
        free[signature].append(index)
    return [free[signature].popleft() if free[signature] else None for signature in signatures(new)]
