"""The checker's own idea of a graph: when a node may start, and when it must not wait any longer."""

from __future__ import annotations

from tests.fault.simulation.checker.documents import NODE_FINAL, Doc

WAIT, START, SKIP, UNCHOSEN, REACHED = "wait", "start", "skip", "unchosen", "reached"


def before_of(nodes: list[Doc]) -> list[list[int]]:
    """The predecessors of each node."""
    found: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        for after in node["successors"]:
            found[after].append(index)
    return found


def leads_to(run: Doc, predecessor: int, index: int) -> str:
    """What an edge has come to: `open`, `fine`, `unchosen` or `bad`."""
    state = run["node_runs"][predecessor]
    if state["state"] not in NODE_FINAL:
        return "open"
    if state["state"] == "succeeded":
        chosen = (state["result"] or {}).get("chosen")
        return "unchosen" if chosen is not None and index not in chosen else "fine"
    return "unchosen" if state.get("unchosen") else "bad"


def verdict(run: Doc, index: int, before: list[int]) -> str:
    """What a node that has not begun should do now."""
    edges = [leads_to(run, predecessor, index) for predecessor in before]
    node = run["nodes"][index]
    if node["kind"] == "output":
        return WAIT if "open" in edges else REACHED
    if node.get("join") == "any" and "fine" in edges:
        return START
    if "open" in edges:
        return WAIT
    if "bad" in edges:
        return SKIP
    return START if "fine" in edges or not before else UNCHOSEN
