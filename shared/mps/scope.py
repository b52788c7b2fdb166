"""What expressions see of a run: MetaData, input, nodes, and the quality-control items. Looked up only when asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from shared.conditions import ROOTS as BASE_ROOTS
from shared.conditions import Scope, Shape
from shared.model.pipeline import Node, predecessors
from shared.model.run import NodeRun, Run
from shared.model.task import MediaObject
from shared.mps import quality
from shared.mps.media import MediaMetaData

_SEVERITY = ("pass", "review", "block")


def _shape(annotation: Any) -> Shape:
    """What a contract structure looks like to the check at save."""
    if get_origin(annotation) is list:
        return [_shape(get_args(annotation)[0])]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {field.alias or name: _shape(field.annotation) for name, field in annotation.model_fields.items()}
    if get_args(annotation):  # an optional member
        return _shape(next(each for each in get_args(annotation) if each is not type(None)))
    return {str: "text", bool: "truth value"}.get(annotation, "number")


ROOTS: Mapping[str, Shape] = {**BASE_ROOTS, "MetaData": _shape(MediaMetaData), **quality.SHAPES}
"""Every name an expression of a rule may begin with, and what lies behind it."""


def ancestors(nodes: Sequence[Node], node: int) -> tuple[int, ...]:
    """The nodes that come before a node, nearest first; of two that are equally near the lower index first."""
    before = predecessors(nodes)
    found: dict[int, None] = {}
    queue = deque(before[node])
    while queue:
        index = queue.popleft()
        if index not in found:
            found[index] = None
            queue.extend(before[index])
    return tuple(found)


def scope_of(run: Run, node: int | None = None, before: int | None = None) -> Scope:
    """The scope of a run as one of its nodes sees it: only what comes before that node, so that the answer does not
    depend on who is faster. Without `node` all nodes are seen, from the last to the first. `before` is what
    `ancestors_of_all` says of the node, if the caller has asked: a large graph may have many rules."""
    return _RunScope(run, node, before)


class _Lazy(Mapping[str, Any]):
    """A mapping whose values are made by `_find` when somebody asks; None is the same as absent."""

    def _find(self, key: str) -> Any:
        raise NotImplementedError

    def _names(self) -> tuple[str, ...]:
        raise NotImplementedError

    def __getitem__(self, key: str) -> Any:
        value = self._find(key)
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._names() if self._find(name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _RunScope(_Lazy):
    def __init__(self, run: Run, node: int | None, before: int | None) -> None:
        self._run = run
        self._node = node
        self._before = before

    def _names(self) -> tuple[str, ...]:
        return tuple(ROOTS)

    def _find(self, key: str) -> Any:
        match key:
            case "MetaData":
                return self._run.metadata
            case "input":
                return _input(self._run.input)
            case "nodes":
                return self._nodes
            case _ if key in quality.SHAPES:
                return quality.value(self._quality, key)
            case _:
                return None

    @cached_property
    def _seen(self) -> tuple[int, ...]:
        """The nodes that are seen, nearest first."""
        if self._node is None:
            return tuple(reversed(range(len(self._run.nodes))))
        return ancestors(self._run.nodes, self._node)

    @cached_property
    def _nodes(self) -> _NodesScope:
        if self._before is None:
            return _NodesScope(self._run, self._seen)
        return _NodesScope(self._run, [index for index in range(len(self._run.nodes)) if self._before >> index & 1])

    @cached_property
    def _quality(self) -> Any:
        """`Output` of the nearest quality-control node that has one."""
        if all(node.kind != quality.KIND for node in self._run.nodes):
            return None
        for index in self._seen:
            result = self._run.node_runs[index].result
            if self._run.nodes[index].kind == quality.KIND and result is not None:
                return result.payload
        return None


class _NodesScope(_Lazy):
    """Nodes by index and by name."""

    def __init__(self, run: Run, seen: Sequence[int]) -> None:
        self._run = run
        names = {name: index for index in sorted(seen, reverse=True) if (name := run.nodes[index].name)}
        # An index is nobody's name: it wins over a name that looks like one.
        self._index = names | {str(index): index for index in seen}

    def _names(self) -> tuple[str, ...]:
        return tuple(self._index)

    def _find(self, key: str) -> Any:
        index = self._index.get(key)
        return None if index is None else _NodeScope(self._run.node_runs[index])


class _NodeScope(_Lazy):
    """One node: state, error, attempt, suggestion, Input, Output, and the members of Output themselves."""

    def __init__(self, node: NodeRun) -> None:
        self._node = node

    def _names(self) -> tuple[str, ...]:
        return ("state", "error", "attempt", "suggestion", "Input", "Output")

    def _find(self, key: str) -> Any:
        result = self._node.result
        match key:
            case "state":
                return self._node.state.value
            case "error":
                return self._node.failure.code.value if self._node.failure else None
            case "attempt":
                return self._node.attempt
            case "Input":
                return result.echo if result else None
            case "Output":
                return result.payload if result else None
            case "suggestion":
                return suggestion(result.payload) if result else None
            case _:
                return result.payload.get(key) if result and isinstance(result.payload, Mapping) else None


def suggestion(payload: object) -> str | None:
    """The strictest of a review's suggestions (`Output` is a list of `{Type, <Type>Task: {Output: {Suggestion}}}`):
    block before review before pass; None if there is none."""
    found = [
        task["Output"].get("Suggestion")
        for entry in (payload if isinstance(payload, list | tuple) else [payload])
        if isinstance(entry, Mapping)
        for task in (*entry.values(), {"Output": entry})
        if isinstance(task, Mapping) and isinstance(task.get("Output"), Mapping)
    ]
    known = [_SEVERITY.index(each) for each in found if each in _SEVERITY]
    return _SEVERITY[max(known)] if known else None


def _input(source: MediaObject) -> dict[str, Any]:
    path = PurePosixPath(source.key)
    return {
        "bucket": source.bucket,
        "region": source.region,
        "key": source.key,
        "name": path.name,
        "ext": path.suffix.removeprefix(".").lower(),
        "size": source.size,
    }
